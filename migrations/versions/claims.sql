-- Hospital claims (domain.md §8): who may do what in which state, that no acceptance is claimed twice, and that what was
-- claimed, decided and proved stays as it was. JS001 as in guards.sql: a rule refuses.
-- Every trigger that goes by a claim's state locks the claim's row first, so that two at once come one after the other.

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['claim_transition', 'claim_line_decision', 'claim_dispute', 'claim_evidence']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  END LOOP;
END $$;

-- A claim's state and what its lines hold are written by the triggers below; all else stays as it was claimed.
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON claim FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_claimed BEFORE UPDATE OF id, programme, hospital, month, year, number, parties, drafted_at, drafted_by
  ON claim FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON claim_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_claimed BEFORE UPDATE OF id, claim_id, accept_seq, line, work, project, kind, performed_on, accepted_on,
  quantity_milli, unit, unit_price_krw, supply_krw, vat_krw, tax, note
  ON claim_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A user of the role, of the hospital where the role is the hospital's; an administrator in every role.
CREATE FUNCTION check_claim_actor(actor text, acting_role text, of_hospital text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM user_account WHERE name = actor AND disabled_at IS NULL
       AND (role = 'admin' OR role = acting_role AND (role <> 'hospital' OR party = of_hospital))) THEN
    RAISE EXCEPTION '% may not do this with a claim of %: a user of role % does', actor, of_hospital, acting_role
      USING ERRCODE = 'JS001';
  END IF;
END $$;

CREATE FUNCTION check_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM check_claim_actor(NEW.drafted_by, 'hospital', NEW.hospital);
  IF NEW.state <> 'draft' OR NOT EXISTS (SELECT 1 FROM party WHERE code = NEW.hospital AND kind = 'hospital') THEN
    RAISE EXCEPTION 'a claim begins as a draft of a hospital' USING ERRCODE = 'JS001';
  END IF;
  IF NEW.number > 1 AND NOT EXISTS (SELECT 1 FROM claim
       WHERE hospital = NEW.hospital AND year = NEW.year AND number = NEW.number - 1) THEN
    RAISE EXCEPTION 'claim % of % %: the number before is missing', NEW.number, NEW.hospital, NEW.year USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER begins BEFORE INSERT ON claim FOR EACH ROW EXECUTE FUNCTION check_claim();

CREATE FUNCTION check_claim_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim;
BEGIN
  SELECT * INTO held FROM claim WHERE id = NEW.claim_id FOR SHARE;
  IF held.state <> 'draft' THEN
    RAISE EXCEPTION 'a claim that is % takes no more lines', held.state USING ERRCODE = 'JS001';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM agreement_line WHERE programme = held.programme AND code = NEW.line
       AND project = NEW.project AND supplier = held.hospital) THEN
    RAISE EXCEPTION '% of % is no line of %', NEW.line, NEW.project, held.hospital USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER of_a_draft BEFORE INSERT ON claim_line FOR EACH ROW EXECUTE FUNCTION check_claim_line();

-- Nobody decides a claim that he submitted himself.
CREATE FUNCTION check_claim_decider(actor text, of_claim claim) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM check_claim_actor(actor, 'finance', of_claim.hospital);
  IF EXISTS (SELECT 1 FROM claim_transition WHERE claim_id = of_claim.id AND to_state = 'submitted' AND moved_by = actor) THEN
    RAISE EXCEPTION '% submitted this claim and cannot decide it', actor USING ERRCODE = 'JS001';
  END IF;
END $$;

-- The state that the last decisions of a claim's lines make; null while one of them is undecided.
CREATE FUNCTION decided_state(of_claim bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT CASE WHEN bool_or(decision IS NULL) THEN NULL WHEN bool_and(decision = 'accepted') THEN 'approved'
              WHEN bool_or(decision = 'accepted') THEN 'partly_approved' ELSE 'rejected' END
    FROM claim_line LEFT JOIN LATERAL (SELECT decision FROM claim_line_decision WHERE line_id = claim_line.id
                                        ORDER BY id DESC LIMIT 1) AS last ON true
   WHERE claim_id = of_claim
$$;

CREATE FUNCTION check_claim_transition() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim; acting_role text;
BEGIN
  SELECT * INTO held FROM claim WHERE id = NEW.claim_id FOR UPDATE;
  SELECT role INTO acting_role FROM (VALUES
    ('draft', 'submitted', 'hospital'), ('draft', 'withdrawn', 'hospital'), ('submitted', 'withdrawn', 'hospital'),
    ('submitted', 'approved', 'finance'), ('submitted', 'partly_approved', 'finance'), ('submitted', 'rejected', 'finance'),
    ('rejected', 'approved', 'finance'), ('rejected', 'partly_approved', 'finance'),
    ('partly_approved', 'approved', 'finance'), ('paid', 'approved', 'finance'), ('paid', 'partly_approved', 'finance'),
    ('approved', 'paid', 'payments'), ('partly_approved', 'paid', 'payments')) AS move (before, after, role)
   WHERE before = NEW.from_state AND after = NEW.to_state AND before = held.state;
  IF acting_role IS NULL THEN
    RAISE EXCEPTION 'a claim that is % does not go from % to %', held.state, NEW.from_state, NEW.to_state USING ERRCODE = 'JS001';
  END IF;
  IF acting_role = 'hospital' THEN
    PERFORM check_claim_actor(NEW.moved_by, 'hospital', held.hospital);
    IF NEW.to_state = 'submitted' AND NOT EXISTS (SELECT 1 FROM claim_line WHERE claim_id = held.id) THEN
      RAISE EXCEPTION 'a claim without a line is not submitted' USING ERRCODE = 'JS001';
    END IF;
  ELSIF acting_role = 'finance' THEN
    PERFORM check_claim_decider(NEW.moved_by, held);
    IF decided_state(held.id) IS DISTINCT FROM NEW.to_state THEN
      RAISE EXCEPTION 'the decisions of its lines do not make the claim %', NEW.to_state USING ERRCODE = 'JS001';
    END IF;
    IF held.state <> 'submitted' AND NOT EXISTS (SELECT 1 FROM claim_line JOIN claim_line_decision last ON last.line_id = claim_line.id
         WHERE claim_id = held.id AND dispute_id IS NOT NULL AND decision = 'accepted' AND last.decided_at = NEW.moved_at) THEN
      RAISE EXCEPTION 'a claim that is % changes by a dispute that was corrected only', held.state USING ERRCODE = 'JS001';
    END IF;
  ELSIF EXISTS (SELECT 1 FROM claim_line JOIN claim_dispute ON claim_dispute.line_id = claim_line.id WHERE claim_id = held.id
                 AND NOT EXISTS (SELECT 1 FROM claim_line_decision WHERE dispute_id = claim_dispute.id)) THEN
    RAISE EXCEPTION 'a claim with an open dispute is not paid' USING ERRCODE = 'JS001';
  END IF;
  UPDATE claim SET state = NEW.to_state WHERE id = held.id;
  IF NEW.to_state = 'withdrawn' THEN
    UPDATE claim_line SET live = false WHERE claim_id = held.id;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER allowed BEFORE INSERT ON claim_transition FOR EACH ROW EXECUTE FUNCTION check_claim_transition();

-- A submitted claim's lines are decided once; later only where a dispute is resolved. A refused line lets its work go.
CREATE FUNCTION check_claim_decision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim;
BEGIN
  SELECT claim.* INTO held FROM claim JOIN claim_line ON claim_line.claim_id = claim.id WHERE claim_line.id = NEW.line_id FOR UPDATE OF claim;
  PERFORM check_claim_decider(NEW.decided_by, held);
  IF NEW.dispute_id IS NULL AND held.state <> 'submitted' THEN
    RAISE EXCEPTION 'a claim that is % is not decided', held.state USING ERRCODE = 'JS001';
  END IF;
  IF NEW.dispute_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM claim_dispute WHERE id = NEW.dispute_id AND line_id = NEW.line_id) THEN
    RAISE EXCEPTION 'the dispute is about another line' USING ERRCODE = 'JS001';
  END IF;
  IF EXISTS (SELECT 1 FROM claim_dispute WHERE id = NEW.dispute_id AND opened_by = NEW.decided_by) THEN
    RAISE EXCEPTION '% opened this dispute and cannot resolve it', NEW.decided_by USING ERRCODE = 'JS001';
  END IF;
  UPDATE claim_line SET live = (NEW.decision = 'accepted') WHERE id = NEW.line_id AND live <> (NEW.decision = 'accepted');
  RETURN NEW;
END $$;
CREATE TRIGGER allowed BEFORE INSERT ON claim_line_decision FOR EACH ROW EXECUTE FUNCTION check_claim_decision();

-- At the commit the claim has gone where its decisions lead, and from there on to paid where all of it is.
CREATE FUNCTION check_claim_followed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim;
BEGIN
  SELECT claim.* INTO held FROM claim JOIN claim_line ON claim_line.claim_id = claim.id WHERE claim_line.id = NEW.line_id;
  IF held.state = 'submitted' OR (NEW.dispute_id IS NOT NULL AND NEW.decision = 'accepted' AND held.state <> decided_state(held.id)
    AND NOT EXISTS (SELECT 1 FROM claim_transition WHERE claim_id = held.id AND moved_at >= NEW.decided_at
      AND from_state = decided_state(held.id) AND to_state = 'paid' AND held.state = 'paid')) THEN
    RAISE EXCEPTION 'a claim that is % does not stay so with these decisions', held.state USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER followed AFTER INSERT ON claim_line_decision DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_claim_followed();

-- A refused line is disputed once; until that is resolved it holds its work again.
CREATE FUNCTION check_claim_dispute() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim;
BEGIN
  SELECT claim.* INTO held FROM claim JOIN claim_line ON claim_line.claim_id = claim.id WHERE claim_line.id = NEW.line_id FOR UPDATE OF claim;
  PERFORM check_claim_actor(NEW.opened_by, 'hospital', held.hospital);
  IF NOT EXISTS (SELECT 1 FROM claim_line_decision WHERE line_id = NEW.line_id AND decision = 'refused') THEN
    RAISE EXCEPTION 'only a refused line is disputed' USING ERRCODE = 'JS001';
  END IF;
  UPDATE claim_line SET live = true WHERE id = NEW.line_id;
  RETURN NEW;
END $$;
CREATE TRIGGER allowed BEFORE INSERT ON claim_dispute FOR EACH ROW EXECUTE FUNCTION check_claim_dispute();

CREATE FUNCTION check_claim_evidence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held claim;
BEGIN
  SELECT * INTO held FROM claim WHERE id = NEW.claim_id FOR SHARE;
  PERFORM check_claim_actor(NEW.added_by, 'hospital', held.hospital);
  IF held.state = 'withdrawn' THEN
    RAISE EXCEPTION 'a withdrawn claim takes no evidence' USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER allowed BEFORE INSERT ON claim_evidence FOR EACH ROW EXECUTE FUNCTION check_claim_evidence();

REVOKE EXECUTE ON FUNCTION check_claim_actor(text, text, text), check_claim_decider(text, claim), decided_state(bigint) FROM PUBLIC;
GRANT SELECT ON claim, claim_line, claim_transition, claim_line_decision, claim_dispute, claim_evidence TO jeongsan_rights;
GRANT INSERT (programme, hospital, month, year, number, parties, drafted_at, drafted_by) ON claim TO jeongsan_rights;
GRANT INSERT (claim_id, accept_seq, line, work, project, kind, performed_on, accepted_on, quantity_milli, unit, unit_price_krw,
  supply_krw, vat_krw, tax, note) ON claim_line TO jeongsan_rights;
-- Never an id: of a line's decisions the last one counts.
GRANT INSERT (claim_id, from_state, to_state, moved_at, moved_by, reason) ON claim_transition TO jeongsan_rights;
GRANT INSERT (line_id, dispute_id, decision, reason, intake_mark, decided_at, decided_by) ON claim_line_decision TO jeongsan_rights;
GRANT INSERT (line_id, opened_at, opened_by, reason) ON claim_dispute TO jeongsan_rights;
GRANT INSERT (claim_id, file_name, media_type, sha256, content, added_at, added_by) ON claim_evidence TO jeongsan_rights;

-- ---------------------------------------------------------------- rows of one party
-- A hospital's user sees and writes its own claims; the operator, who keeps the books, sees its programmes'.
ALTER TABLE claim ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON claim
  USING ((SELECT row_party()) IS NULL OR hospital = (SELECT row_party())
    OR programme IN (SELECT code FROM programme WHERE operator = (SELECT row_party())));

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['claim_line', 'claim_transition', 'claim_evidence']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_party ON %I USING ((SELECT row_party()) IS NULL OR claim_id IN (SELECT id FROM claim))', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['claim_line_decision', 'claim_dispute']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_party ON %I USING ((SELECT row_party()) IS NULL OR line_id IN (SELECT id FROM claim_line))', name);
  END LOOP;
END $$;
