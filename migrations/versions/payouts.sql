-- ---------------------------------------------------------------- payees' bank accounts
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['payee_account', 'payee_account_decision', 'payment_order', 'payment_order_row']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  END LOOP;
END $$;

-- What is shown of an account number anywhere but in the file for the payer.
CREATE FUNCTION masked_number(account_number text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT '***-***-' || right(replace(account_number, '-', ''), 4) $$;

-- The number is checked here and not by a constraint: a constraint's refusal would say the whole row.
CREATE FUNCTION check_payee_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE newest integer; who record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('payee:' || NEW.party));
  SELECT coalesce(max(version), 0) INTO newest FROM payee_account WHERE party = NEW.party;
  IF NEW.version <> newest + 1 THEN
    RAISE EXCEPTION '%: after account % comes %, not %', NEW.party, newest, newest + 1, NEW.version USING ERRCODE = 'JS001';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM party WHERE code = NEW.party AND kind IN ('hospital', 'company', 'operator', 'infra')) THEN
    RAISE EXCEPTION '%: is nobody who is paid', NEW.party USING ERRCODE = 'JS001';
  END IF;
  IF NEW.account_number !~ '^[0-9]+(-[0-9]+)*$' OR length(replace(NEW.account_number, '-', '')) NOT BETWEEN 10 AND 16 THEN
    RAISE EXCEPTION '%: no account number (10 to 16 digits, hyphens between them)', NEW.party USING ERRCODE = 'JS001';
  END IF;
  SELECT role, party INTO who FROM user_account WHERE name = NEW.requested_by AND disabled_at IS NULL;
  IF NOT FOUND OR (who.role NOT IN ('finance', 'admin') AND who.party IS DISTINCT FROM NEW.party) THEN
    RAISE EXCEPTION '%: may not ask for an account of %', NEW.requested_by, NEW.party USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER as_asked BEFORE INSERT ON payee_account FOR EACH ROW EXECUTE FUNCTION check_payee_account();

CREATE FUNCTION check_payee_account_decision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE asked_by text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('payee:' || NEW.party));
  SELECT requested_by INTO asked_by FROM payee_account WHERE party = NEW.party AND version = NEW.version;
  IF asked_by = NEW.decided_by THEN
    RAISE EXCEPTION '%/%: is not decided by the one who asked for it', NEW.party, NEW.version USING ERRCODE = 'JS001';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM user_account WHERE name = NEW.decided_by AND role IN ('finance', 'admin') AND disabled_at IS NULL) THEN
    RAISE EXCEPTION '%: may not decide about accounts', NEW.decided_by USING ERRCODE = 'JS001';
  END IF;
  IF NEW.decision = 'approved' AND EXISTS (
    SELECT 1 FROM payee_account later LEFT JOIN payee_account_decision decided USING (party, version)
     WHERE later.party = NEW.party AND later.version > NEW.version AND decided.decision IS DISTINCT FROM 'rejected') THEN
    RAISE EXCEPTION '%/%: is superseded by a later request', NEW.party, NEW.version USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER by_another_person BEFORE INSERT ON payee_account_decision
  FOR EACH ROW EXECUTE FUNCTION check_payee_account_decision();

-- ---------------------------------------------------------------- what a month's run booked to be paid out
-- By account of the books and payer: the agency what stands against its receivable, the settlement account the rest; won,
-- negative to be recovered. The refund of a deposit (domain.md §5) is ordered by the run of the month in which its project
-- ends: what is left of it then, and after that what changes of it by draws and by payments that came still later.
CREATE FUNCTION payable_of(wanted text, of_month date) RETURNS TABLE (account text, payer text, amount_krw bigint)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  WITH leg AS (
    SELECT code, posting.amount_krw,
           coalesce(sum(posting.amount_krw) FILTER (WHERE code = 'receivable:agency') OVER (PARTITION BY entry.id), 0) AS agency_krw
      FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id
     WHERE entry.programme = wanted AND entry.month = of_month AND starts_with(entry.reference, 'run:')
  ), due AS (
    SELECT code, 'agency' AS payer, agency_krw AS krw FROM leg WHERE starts_with(code, 'payable:')
    UNION ALL SELECT code, 'settlement', -leg.amount_krw - agency_krw FROM leg WHERE starts_with(code, 'payable:')
  ), ending AS (
    SELECT 'deposit:' || project.code AS code, least(project.closes, CASE WHEN bool_and(over.agreement IS NOT NULL)
             THEN max(greatest(date_trunc('month', over.effective)::date, over.counts_from)) END) AS month
      FROM project JOIN agreement ON agreement.project = project.code AND self_pay_mode = 'deposit'
      JOIN agreement_version signed ON signed.agreement = agreement.code AND signed.kind = 'signed'
      LEFT JOIN agreement_version over ON over.agreement = agreement.code AND over.kind = 'terminated'
     WHERE project.programme = wanted GROUP BY project.code
  ), moved AS (
    SELECT account.code, ending.month AS end_month, posting.amount_krw, starts_with(entry.reference, 'run:') AS of_run, entry.month,
           (SELECT min(run.month) FROM month_run run WHERE run.programme = wanted AND entry.number <= run.journal_mark) AS taken_in
      FROM ending JOIN account ON account.programme = wanted AND account.code = ending.code
      JOIN posting ON posting.account_id = account.id JOIN entry ON entry.id = posting.entry_id
     WHERE ending.month <= of_month
  )
  SELECT code, payer, sum(krw)::bigint FROM due GROUP BY code, payer HAVING sum(krw) <> 0
  UNION ALL
  SELECT code, 'settlement', -sum(amount_krw)::bigint FROM (
    SELECT code, amount_krw, CASE WHEN of_run THEN month ELSE taken_in END AS month, end_month, of_run FROM moved) deposit
   WHERE CASE WHEN of_month = end_month THEN month <= end_month
              ELSE month = of_month AND (of_run OR amount_krw < 0) END
   GROUP BY code HAVING sum(amount_krw) <> 0
$$;

-- ---------------------------------------------------------------- payment orders
-- Rows come first, their order after them in the same transaction (the foreign key waits for the commit), as with entries:
-- an order is complete when it appears, and it says what the run booked.
CREATE FUNCTION check_payment_order_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows JOIN payment_order USING (programme, month, version)) THEN
    RAISE EXCEPTION 'a payment order is complete when it is made: nothing is added to it' USING ERRCODE = 'JS001';
  END IF;
  IF EXISTS (SELECT 1 FROM new_rows new_row LEFT JOIN payee_account_decision decided
               ON decided.party = new_row.party AND decided.version = new_row.account_version AND decided.decision = 'approved'
               LEFT JOIN payee_account approved ON approved.party = decided.party AND approved.version = decided.version
              WHERE new_row.account_version IS NOT NULL
                AND (new_row.bank_code, new_row.bank, new_row.account_number, new_row.holder) IS DISTINCT FROM
                    (approved.bank_code, approved.bank, approved.account_number, approved.holder)) THEN
    RAISE EXCEPTION 'a payment is ordered to an approved account only' USING ERRCODE = 'JS001';
  END IF;
  -- What the books owe one is not ordered to another, each with an approved account of its own.
  IF EXISTS (SELECT 1 FROM new_rows new_row LEFT JOIN programme ON programme.code = new_row.programme
               LEFT JOIN project ON new_row.account IN ('payable:company:' || project.code, 'deposit:' || project.code)
              WHERE new_row.party IS DISTINCT FROM CASE
                WHEN new_row.account ~ '^payable:(hospital|incentive|infra):' THEN split_part(new_row.account, ':', 3)
                WHEN new_row.account = 'payable:operator' THEN programme.operator ELSE project.company END) THEN
    RAISE EXCEPTION 'a payment is ordered to the one whom the account names' USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER complete AFTER INSERT ON payment_order_row REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_payment_order_row();

CREATE FUNCTION check_payment_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE newest integer; bad record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('payouts:' || NEW.programme));
  SELECT coalesce(max(version), 0) INTO newest FROM payment_order WHERE programme = NEW.programme AND month = NEW.month;
  IF NEW.version <> newest + 1 THEN
    RAISE EXCEPTION '% %: after payment order % comes %, not %', NEW.programme, to_char(NEW.month, 'YYYY-MM'), newest, newest + 1,
      NEW.version USING ERRCODE = 'JS001';
  END IF;
  SELECT locked.month INTO bad FROM month_lock locked WHERE locked.programme = NEW.programme AND locked.month < NEW.month
     AND NOT EXISTS (SELECT 1 FROM payment_order earlier WHERE earlier.programme = locked.programme AND earlier.month = locked.month)
   ORDER BY 1 LIMIT 1;
  IF FOUND OR NOT EXISTS (SELECT 1 FROM month_lock WHERE programme = NEW.programme AND month = NEW.month) THEN
    RAISE EXCEPTION '% %: payments are ordered of locked months, one after the other', NEW.programme, to_char(NEW.month, 'YYYY-MM')
      USING ERRCODE = 'JS001';
  END IF;
  IF NEW.made_at < (SELECT max(frozen_at) FROM month_run WHERE programme = NEW.programme) THEN
    RAISE EXCEPTION '% %: a payment order is not dated before a freeze that is there', NEW.programme, to_char(NEW.month, 'YYYY-MM')
      USING ERRCODE = 'JS001';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM user_account WHERE name = NEW.made_by AND role IN ('finance', 'admin') AND disabled_at IS NULL) THEN
    RAISE EXCEPTION '%: may not order payments', NEW.made_by USING ERRCODE = 'JS001';
  END IF;
  SELECT coalesce(due.account, given.account) AS account, due.amount_krw AS due_krw, given.amount_krw AS given_krw INTO bad
    FROM payable_of(NEW.programme, NEW.month) due
    FULL JOIN (SELECT * FROM payment_order_row WHERE programme = NEW.programme AND month = NEW.month AND version = NEW.version) given
      ON given.account = due.account AND given.payer = due.payer
   WHERE due.amount_krw IS DISTINCT FROM given.amount_krw LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %: % is ordered for %, the run booked %', NEW.programme, to_char(NEW.month, 'YYYY-MM'), bad.account,
      bad.given_krw, bad.due_krw USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER as_booked BEFORE INSERT ON payment_order FOR EACH ROW EXECUTE FUNCTION check_payment_order();

-- ---------------------------------------------------------------- rights, and rows of one party (0003)
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['payee_account', 'payee_account_decision', 'payment_order_row']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_party ON %I USING ((SELECT row_party()) IS NULL OR party = (SELECT row_party()))', name);
  END LOOP;
END $$;
-- An order is for those whom it pays.
ALTER TABLE payment_order ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON payment_order
  USING ((SELECT row_party()) IS NULL
    OR (programme, month, version) IN (SELECT programme, month, version FROM payment_order_row));
GRANT SELECT, INSERT ON payee_account, payee_account_decision, payment_order, payment_order_row TO jeongsan_rights;
