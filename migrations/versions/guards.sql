-- Error codes that the service translates: JS001 a rule refuses.
-- pg_temp stands last in every search path here: a temporary table of the service hides none of the books' tables.

CREATE SEQUENCE intake_batch_id;
CREATE SEQUENCE entry_id;

-- ---------------------------------------------------------------- append-only
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: rows are never changed or deleted; book a correction', TG_TABLE_NAME USING ERRCODE = 'JS001';
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['event', 'seen', 'funding_source', 'intake_batch', 'usage_delta', 'dropped_field', 'entry',
    'posting', 'month_lock', 'charge', 'document', 'document_charge', 'line_settlement', 'incentive_pool',
    'incentive_share', 'published_file', 'month_run', 'budget_record', 'programme', 'agreement', 'agreement_line',
    'agreement_version', 'price_book', 'payment', 'carry_over', 'programme_lock', 'result', 'result_dataset', 'result_revenue']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  END LOOP;
END $$;

-- ---------------------------------------------------------------- locked months
CREATE FUNCTION refuse_locked_month() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE hit record;
BEGIN
  SELECT DISTINCT new_row.programme, new_row.month INTO hit
    FROM new_rows new_row JOIN month_lock USING (programme, month) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% % is closed; a correction is booked in the open month', hit.programme, to_char(hit.month, 'YYYY-MM')
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;

-- A dead letter stays as it came; only what became of it is written later.
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON dead_letter FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_it_came BEFORE UPDATE OF id, batch_id, topic_id, partition, record, reason, detail, payload, headers,
  recorded_at ON dead_letter FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['entry', 'charge', 'document', 'line_settlement', 'incentive_pool', 'incentive_share',
    'run_step']
  LOOP
    EXECUTE format('CREATE TRIGGER locked_month AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_locked_month()', name);
  END LOOP;
END $$;

CREATE FUNCTION check_month_lock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE newest date;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('books:' || NEW.programme));
  SELECT max(month) INTO newest FROM month_lock WHERE programme = NEW.programme;
  IF newest IS NOT NULL AND NEW.month <> newest + interval '1 month' THEN
    RAISE EXCEPTION '%: after % the next month is locked, not %', NEW.programme, newest, NEW.month USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER in_order BEFORE INSERT ON month_lock FOR EACH ROW EXECUTE FUNCTION check_month_lock();

-- ---------------------------------------------------------------- the journal
-- Postings come first, their entries after them in the same transaction (the foreign key waits for the commit): an entry
-- is complete when it appears, and nothing can be added to it later.
CREATE FUNCTION take_postings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE known bigint; posted bigint;
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows JOIN entry ON entry.id = new_rows.entry_id) THEN
    RAISE EXCEPTION 'an entry is complete when it is booked: nothing is added to it' USING ERRCODE = 'JS001';
  END IF;
  WITH change AS (SELECT account_id, sum(amount_krw)::bigint AS amount_krw FROM new_rows GROUP BY account_id ORDER BY account_id),
  locked AS (SELECT account.id FROM account JOIN change ON change.account_id = account.id ORDER BY account.id FOR UPDATE OF account),
  done AS (UPDATE account SET balance_krw = balance_krw + change.amount_krw FROM change, locked
            WHERE account.id = change.account_id AND locked.id = account.id RETURNING 1)
  SELECT (SELECT count(*) FROM change), (SELECT count(*) FROM done) INTO posted, known;
  IF posted <> known THEN
    RAISE EXCEPTION 'a posting names an account that does not exist' USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER take_postings AFTER INSERT ON posting REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION take_postings();

CREATE FUNCTION check_entries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT new_row.id, new_row.memo INTO bad
    FROM new_rows new_row
    LEFT JOIN posting ON posting.entry_id = new_row.id
    LEFT JOIN account ON account.id = posting.account_id
   GROUP BY new_row.id, new_row.memo, new_row.posting_count, new_row.programme
  HAVING count(posting.entry_id) <> new_row.posting_count
      OR coalesce(sum(posting.amount_krw) FILTER (WHERE account.is_budget), 0) <> 0
      OR coalesce(sum(posting.amount_krw) FILTER (WHERE NOT account.is_budget), 0) <> 0
      OR bool_or(account.programme <> new_row.programme)
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'entry % (%) does not sum to zero within the money and within the budget accounts of its programme',
      bad.id, bad.memo USING ERRCODE = 'JS001';
  END IF;
  SELECT new_row.id, new_row.number INTO bad
    FROM new_rows new_row
    LEFT JOIN entry before ON before.programme = new_row.programme AND before.number = new_row.number - 1
   WHERE new_row.previous_hash IS DISTINCT FROM CASE WHEN new_row.number = 1 THEN decode(repeat('00', 32), 'hex') ELSE before.hash END
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'entry % (number %) does not follow the chain', bad.id, bad.number USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER check_entries AFTER INSERT ON entry REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_entries();

-- ---------------------------------------------------------------- commitments
-- A project whose month of ending is locked, or whose agreements were all terminated by a locked month: the rest of its
-- commitment was released, so that it takes of the budget what it executed.
CREATE VIEW ended_project AS
WITH closed AS (SELECT programme, max(month) AS month FROM month_lock GROUP BY programme),
terminated AS (
  SELECT agreement.project
    FROM agreement JOIN project ON project.code = agreement.project JOIN closed ON closed.programme = project.programme
    LEFT JOIN agreement_version version ON version.agreement = agreement.code AND version.kind = 'terminated'
     AND greatest(version.effective, version.counts_from) < closed.month + interval '1 month'
   GROUP BY agreement.project HAVING bool_and(version.agreement IS NOT NULL))
SELECT project.programme, project.code, project.grant_krw, coalesce(account.balance_krw, 0) AS executed_krw
  FROM project JOIN closed ON closed.programme = project.programme
  LEFT JOIN account ON account.programme = project.programme AND account.code = 'budget:executed:' || project.code
 WHERE project.closes <= closed.month OR project.code IN (SELECT project FROM terminated);

-- What a changed row can break: of its own project (`about`) every limit, of the programme the sum of its grants. A load of
-- many projects calls this once a row, so it reads no other project's lines.
CREATE FUNCTION check_commitments(wanted text, about text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('commitment:' || wanted));
  IF EXISTS (SELECT 1 FROM programme_lock WHERE programme = wanted) THEN
    RAISE EXCEPTION '% is finally settled: its commitments are not changed any more', wanted USING ERRCODE = 'JS001';
  END IF;
  SELECT project.code, project.grant_krw, tier.grant_cap_krw INTO bad
    FROM project JOIN tier ON tier.programme = project.programme AND tier.code = project.tier
   WHERE project.code = about AND project.grant_krw > tier.grant_cap_krw LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'project %: grant % exceeds its tier''s grant cap %', bad.code, bad.grant_krw, bad.grant_cap_krw
      USING ERRCODE = 'JS001';
  END IF;
  SELECT project.code, project.grant_krw, at.day, sum(line_limit.grant_limit_krw) AS limits INTO bad
    FROM project
    JOIN agreement_line ON agreement_line.project = project.code
    JOIN line_limit ON line_limit.line = agreement_line.id
    JOIN (SELECT DISTINCT lower(version.valid) AS day
            FROM line_limit version JOIN agreement_line line ON line.id = version.line WHERE line.project = about) at
      ON line_limit.valid @> at.day
   WHERE project.code = about
   GROUP BY project.code, project.grant_krw, at.day
  HAVING sum(line_limit.grant_limit_krw) > project.grant_krw LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'project %: line limits of % sum to % from %, over the project''s grant', bad.code, bad.limits, bad.limits, bad.day
      USING ERRCODE = 'JS001';
  END IF;
  SELECT programme.code, programme.appropriation_krw + programme.carry_in_krw + coalesce((SELECT sum(amount_krw)
           FROM budget_record WHERE budget_record.programme = programme.code AND kind = 'transfer'), 0) AS current_krw,
         (SELECT coalesce(sum(grant_krw), 0) FROM project WHERE project.programme = programme.code)
         - (SELECT coalesce(sum(grant_krw - executed_krw), 0) FROM ended_project WHERE ended_project.programme = programme.code)
           AS grants INTO bad
    FROM programme WHERE programme.code = wanted;
  IF bad.grants > bad.current_krw THEN
    RAISE EXCEPTION 'programme %: project grants of % exceed the current budget (예산현액) of %', bad.code, bad.grants, bad.current_krw
      USING ERRCODE = 'JS001';
  END IF;
  SELECT agreement_line.code, line_limit.grant_limit_krw, executed.total_voucher_krw INTO bad
    FROM agreement_line
    JOIN line_limit ON line_limit.line = agreement_line.id
    JOIN LATERAL (SELECT total_voucher_krw, month FROM line_settlement
                   WHERE line_settlement.programme = agreement_line.programme AND line_settlement.line = agreement_line.code
                   ORDER BY month DESC LIMIT 1) executed ON coalesce(upper(line_limit.valid), 'infinity') > executed.month + interval '1 month'
   WHERE agreement_line.project = about AND line_limit.grant_limit_krw < executed.total_voucher_krw LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'line %: a limit of % is below what was executed, %', bad.code, bad.grant_limit_krw, bad.total_voucher_krw
      USING ERRCODE = 'JS001';
  END IF;
END $$;

CREATE FUNCTION check_commitments_of_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'line_limit' THEN
    PERFORM check_commitments(programme, project) FROM agreement_line WHERE id = NEW.line;
  ELSIF TG_TABLE_NAME = 'project' THEN
    PERFORM check_commitments(NEW.programme, NEW.code);
  ELSE
    PERFORM check_commitments(NEW.programme, NULL);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER commitments AFTER INSERT OR UPDATE ON line_limit DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_commitments_of_row();
CREATE CONSTRAINT TRIGGER commitments AFTER INSERT OR UPDATE ON project DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_commitments_of_row();
CREATE CONSTRAINT TRIGGER commitments AFTER INSERT ON budget_record DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_commitments_of_row();

-- ---------------------------------------------------------------- grants received (교부)
-- On the day of each of them all that was received is at most the current budget (예산현액) of that day. A transfer that
-- takes from the budget later is none of them: what was received beyond it goes back at the final settlement.
CREATE FUNCTION check_received() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('commitment:' || NEW.programme));
  SELECT received.* INTO bad FROM (
    SELECT dated, sum(sum(amount_krw) FILTER (WHERE kind = 'grant_received')) OVER day AS krw,
           sum(coalesce(sum(amount_krw) FILTER (WHERE kind = 'transfer'), 0)) OVER day AS transfers_krw,
           bool_or(kind = 'grant_received') AS on_the_day
      FROM budget_record WHERE budget_record.programme = NEW.programme GROUP BY dated WINDOW day AS (ORDER BY dated)) received
    JOIN programme ON programme.code = NEW.programme
   WHERE on_the_day AND krw > appropriation_krw + carry_in_krw + transfers_krw ORDER BY dated LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'programme %: grants received of % up to % exceed the current budget (예산현액) of that day', NEW.programme,
      bad.krw, bad.dated USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER received AFTER INSERT ON budget_record DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.kind <> 'interest') EXECUTE FUNCTION check_received();

-- ---------------------------------------------------------------- a programme that is finally settled
CREATE FUNCTION check_programme_lock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('books:' || NEW.programme));
  IF NEW.month IS DISTINCT FROM (SELECT max(month) FROM month_lock WHERE programme = NEW.programme)
     OR EXISTS (SELECT 1 FROM month_run WHERE programme = NEW.programme AND month > NEW.month) THEN
    RAISE EXCEPTION '%: is finally settled at its last locked month, with no run begun after it', NEW.programme
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER at_the_last_month BEFORE INSERT ON programme_lock FOR EACH ROW EXECUTE FUNCTION check_programme_lock();

CREATE FUNCTION refuse_closed_programme() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE hit text;
BEGIN
  SELECT new_row.programme INTO hit FROM new_rows new_row JOIN programme_lock USING (programme) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% is finally settled: nothing of it is changed or run any more', hit USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['agreement_line', 'budget_record', 'carry_over', 'charge', 'incentive_pool',
    'line_settlement', 'month_run', 'project']
  LOOP
    EXECUTE format('CREATE TRIGGER closed_programme AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_programme()', name);
  END LOOP;
END $$;

-- What was owed is still paid; the budget stays as it was settled.
CREATE FUNCTION refuse_closed_budget() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE hit text;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM new_rows JOIN programme_lock USING (programme)) THEN
    RETURN NULL;
  END IF;
  SELECT new_row.programme INTO hit
    FROM new_rows new_row
    JOIN programme_lock USING (programme)
    JOIN posting ON posting.entry_id = new_row.id
    JOIN account ON account.id = posting.account_id
   WHERE account.is_budget LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% is finally settled: its budget is not moved any more', hit USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER closed_budget AFTER INSERT ON entry REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_budget();

-- ---------------------------------------------------------------- sources of funds
CREATE FUNCTION check_sources() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE shares bigint;
BEGIN
  SELECT sum(share_bp) INTO shares FROM funding_source WHERE programme = NEW.programme;
  IF shares <> 10000 THEN
    RAISE EXCEPTION 'programme %: its sources of funds share % of 10000 basis points', NEW.programme, shares
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER shares_sum AFTER INSERT ON funding_source DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_sources();

-- ---------------------------------------------------------------- versions of an agreement
CREATE FUNCTION check_agreement_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE first_day date; last_day date;
BEGIN
  SELECT starts INTO first_day FROM agreement WHERE code = NEW.agreement FOR UPDATE;
  IF EXISTS (SELECT 1 FROM agreement_version WHERE agreement = NEW.agreement AND kind = 'terminated') THEN
    RAISE EXCEPTION 'agreement % is terminated: it has no later version', NEW.agreement USING ERRCODE = 'JS001';
  END IF;
  IF NEW.kind = 'signed' THEN
    RETURN NEW;
  END IF;
  SELECT max(ends) INTO last_day FROM agreement_version WHERE agreement = NEW.agreement;
  IF last_day IS NULL OR NEW.effective NOT BETWEEN first_day AND last_day THEN
    RAISE EXCEPTION 'agreement %: a version of % lies outside it', NEW.agreement, NEW.effective USING ERRCODE = 'JS001';
  END IF;
  IF NEW.kind = 'amended' AND NEW.ends <= last_day THEN
    RAISE EXCEPTION 'agreement %: an amendment extends it beyond %; it ends earlier by termination only', NEW.agreement, last_day
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER in_its_life BEFORE INSERT ON agreement_version FOR EACH ROW EXECUTE FUNCTION check_agreement_version();

-- ---------------------------------------------------------------- the run
CREATE FUNCTION check_step_reset() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF OLD.step NOT IN ('rate', 'split') OR EXISTS (SELECT 1 FROM run_step WHERE programme = OLD.programme
       AND month = OLD.month AND step = 'post') THEN
    RAISE EXCEPTION '% %: step % is booked and stays', OLD.programme, OLD.month, OLD.step USING ERRCODE = 'JS001';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER only_before_post BEFORE DELETE ON run_step FOR EACH ROW EXECUTE FUNCTION check_step_reset();

-- ---------------------------------------------------------------- partitions of the raw events
CREATE FUNCTION ensure_event_partition(yyyymm integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF yyyymm NOT BETWEEN 100001 AND 999912 THEN
    RAISE EXCEPTION 'not a month: %', yyyymm;
  END IF;
  IF to_regclass(format('public.event_p%s', yyyymm)) IS NULL THEN
    PERFORM pg_advisory_xact_lock(hashtext('event_partition'));
    EXECUTE format('CREATE TABLE IF NOT EXISTS event_p%s PARTITION OF event FOR VALUES IN (%s)', yyyymm, yyyymm);
    EXECUTE format('GRANT SELECT ON event_p%s TO jeongsan_rights', yyyymm);
  END IF;
END $$;

-- The owner takes a month out for the archive once nothing is derived from it any more; identities stay in `seen`.
CREATE FUNCTION detach_event_partition(yyyymm integer) RETURNS text LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE open_programme text;
BEGIN
  SELECT programme.code INTO open_programme FROM programme JOIN project ON project.programme = programme.code
    JOIN term ON term.value = project.code WHERE settlement_closes_on >= current_date
    AND EXISTS (SELECT 1 FROM event WHERE recorded_month = yyyymm AND event.project_id = term.id) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'event_p%: programme % is not closed and is still derived from it', yyyymm, open_programme
      USING ERRCODE = 'JS001';
  END IF;
  EXECUTE format('ALTER TABLE event DETACH PARTITION event_p%s', yyyymm);
  RETURN format('event_p%s', yyyymm);
END $$;

-- ---------------------------------------------------------------- the service's role
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'jeongsan_rights') THEN
    CREATE ROLE jeongsan_rights NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO jeongsan_rights;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO jeongsan_rights;
GRANT INSERT (programme, code) ON account TO jeongsan_rights;
GRANT INSERT ON agreement, agreement_line, agreement_version, budget_record, carry_over, category, charge, consumer_offset, dead_letter, document, document_charge,
  document_sequence, dropped_field, entry, event, funding_source, incentive_pool, incentive_share, intake_batch, line_limit, line_settlement,
  loaded_object, month_lock, month_run, party, party_consortium, party_payee, payment, permit, posting, price_book, programme, programme_lock, project, published_file,
  quarantine, rate, result, result_dataset, result_revenue, run_step, seen, term, tier, usage_delta, weight TO jeongsan_rights;
GRANT UPDATE (status, reason, detail, waits_for, resolved_at, resolution, seq) ON quarantine TO jeongsan_rights;
GRANT UPDATE (status, resolved_at, resolution, published_at) ON dead_letter TO jeongsan_rights;
GRANT UPDATE (next_offset, epoch) ON consumer_offset TO jeongsan_rights;
GRANT UPDATE (valid) ON rate, line_limit TO jeongsan_rights;
GRANT UPDATE (last_number) ON document_sequence TO jeongsan_rights;
GRANT UPDATE (content, loaded_at) ON loaded_object TO jeongsan_rights;
GRANT UPDATE (name, representative, address, business_type, business_item, email)
  ON party TO jeongsan_rights;
GRANT UPDATE (closes, grant_krw) ON project TO jeongsan_rights;
GRANT DELETE ON run_step, party_consortium, party_payee TO jeongsan_rights;
GRANT USAGE ON SEQUENCE intake_batch_id, entry_id TO jeongsan_rights;
REVOKE EXECUTE ON FUNCTION check_commitments(text, text), ensure_event_partition(integer), detach_event_partition(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_event_partition(integer) TO jeongsan_rights;
