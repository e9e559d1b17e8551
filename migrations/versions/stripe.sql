-- ---------------------------------------------------------------- what Stripe collects
-- The live parts of an invoice (those not canceled, less what went back of them) sum to its total at most; those of a
-- deposit to what its agreements ask for.
CREATE FUNCTION check_stripe_part() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE due_krw bigint; parts_krw bigint; back_krw bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('stripe:' || NEW.reference));
  IF NEW.document_id IS NULL THEN
    SELECT coalesce(sum(deposit_krw), 0) INTO due_krw FROM agreement
     WHERE project = NEW.project AND self_pay_mode = 'deposit' AND NEW.account = 'deposit:' || NEW.project;
  ELSE
    SELECT total_krw INTO due_krw FROM document WHERE id = NEW.document_id AND kind = 'invoice'
       AND programme = NEW.programme AND project = NEW.project AND NEW.account = 'receivable:company:' || NEW.project;
  END IF;
  SELECT coalesce(sum(amount_krw), 0) INTO parts_krw FROM stripe_part
   WHERE reference = NEW.reference AND status <> 'canceled';
  SELECT coalesce(sum(stripe_refund.amount_krw), 0) INTO back_krw
    FROM stripe_refund JOIN stripe_part ON stripe_part.id = part_id
   WHERE stripe_part.reference = NEW.reference AND stripe_refund.status IN ('pending', 'succeeded');
  IF due_krw IS NULL OR parts_krw - back_krw + NEW.amount_krw > due_krw THEN
    RAISE EXCEPTION '%: parts of % and % exceed the invoice, %', NEW.reference, parts_krw - back_krw, NEW.amount_krw, due_krw
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER within_the_invoice BEFORE INSERT ON stripe_part FOR EACH ROW EXECUTE FUNCTION check_stripe_part();

-- What was asked stays; an answer is written once, and a closed intent stays closed.
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON stripe_part FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_it_was_asked BEFORE UPDATE OF id, programme, project, document_id, reference, account, part, amount_krw,
  idempotency_key, request_hash, requested_at ON stripe_part FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_stripe_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.intent_id IS NOT NULL AND NEW.intent_id IS DISTINCT FROM OLD.intent_id)
     OR (OLD.charge_id IS NOT NULL AND NEW.charge_id IS DISTINCT FROM OLD.charge_id)
     OR (OLD.closed_at IS NOT NULL AND (NEW.closed_at, NEW.status) IS DISTINCT FROM (OLD.closed_at, OLD.status)) THEN
    RAISE EXCEPTION '% part %: what Stripe answered stays', OLD.reference, OLD.part USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER answered_once BEFORE UPDATE ON stripe_part FOR EACH ROW EXECUTE FUNCTION check_stripe_answer();

-- ---------------------------------------------------------------- what goes back
-- Never more than was collected: what is asked for counts as well, so two at once cannot both have the last won.
CREATE FUNCTION check_stripe_refund() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE collected_krw bigint; back_krw bigint;
BEGIN
  SELECT amount_krw INTO collected_krw FROM stripe_part WHERE id = NEW.part_id FOR UPDATE;
  SELECT coalesce(sum(amount_krw), 0) INTO back_krw FROM stripe_refund
   WHERE part_id = NEW.part_id AND status IN ('requested', 'pending', 'succeeded') AND id <> NEW.id;
  IF NEW.status IN ('requested', 'pending', 'succeeded') AND back_krw + NEW.amount_krw > collected_krw THEN
    RAISE EXCEPTION 'refunds of % and % exceed the charge, %', back_krw, NEW.amount_krw, collected_krw USING ERRCODE = 'JS001';
  END IF;
  IF EXISTS (SELECT 1 FROM user_account WHERE name = NEW.requested_by AND (role NOT IN ('finance', 'admin') OR disabled_at IS NOT NULL)) THEN
    RAISE EXCEPTION '%: may not ask for a refund', NEW.requested_by USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER within_the_charge BEFORE INSERT ON stripe_refund FOR EACH ROW EXECUTE FUNCTION check_stripe_refund();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON stripe_refund FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_it_was_asked BEFORE UPDATE OF id, part_id, amount_krw, reason, requested_by, idempotency_key, request_hash,
  requested_at ON stripe_refund FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION stripe_refund_rank(status text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE status WHEN 'requested' THEN 0 WHEN 'pending' THEN 1 WHEN 'succeeded' THEN 2 ELSE 3 END
$$;
CREATE FUNCTION check_stripe_refund_answer() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (OLD.refund_id IS NOT NULL AND (NEW.refund_id, NEW.refunded_at) IS DISTINCT FROM (OLD.refund_id, OLD.refunded_at))
     OR (OLD.failed_at IS NOT NULL AND NEW.failed_at IS DISTINCT FROM OLD.failed_at)
     OR (NEW.status <> OLD.status AND stripe_refund_rank(NEW.status) <= stripe_refund_rank(OLD.status)) THEN
    RAISE EXCEPTION 'refund %: what Stripe answered stays', OLD.refund_id USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER answered_once BEFORE UPDATE ON stripe_refund FOR EACH ROW EXECUTE FUNCTION check_stripe_refund_answer();

-- ---------------------------------------------------------------- balance, payouts, events
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON stripe_payout FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER as_it_came BEFORE UPDATE OF id, amount_krw, automatic, created_at ON stripe_payout
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION stripe_payout_rank(status text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE status WHEN 'pending' THEN 0 WHEN 'in_transit' THEN 1 WHEN 'paid' THEN 2 ELSE 3 END
$$;
CREATE FUNCTION check_stripe_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.status <> OLD.status AND stripe_payout_rank(NEW.status) <= stripe_payout_rank(OLD.status) THEN
    RAISE EXCEPTION 'payout %: its status does not go back', OLD.id USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER never_back BEFORE UPDATE ON stripe_payout FOR EACH ROW EXECUTE FUNCTION check_stripe_payout();

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['stripe_movement', 'stripe_payout_item', 'stripe_event', 'stripe_poll']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT ON stripe_part, stripe_refund, stripe_movement, stripe_payout, stripe_payout_item, stripe_event,
  stripe_poll TO jeongsan_rights;
GRANT UPDATE (status, intent_id, charge_id, closed_at) ON stripe_part TO jeongsan_rights;
GRANT UPDATE (status, refund_id, refunded_at, failed_at) ON stripe_refund TO jeongsan_rights;
GRANT UPDATE (status, arrives_on) ON stripe_payout TO jeongsan_rights;

-- ---------------------------------------------------------------- rows of one party
ALTER TABLE stripe_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON stripe_part
  USING ((SELECT row_party()) IS NULL OR project IN (SELECT code FROM project WHERE company = (SELECT row_party())));
ALTER TABLE stripe_refund ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON stripe_refund
  USING ((SELECT row_party()) IS NULL OR part_id IN (SELECT id FROM stripe_part));

-- What Stripe sent, and the movements and payouts of the one balance that all companies pay into: no party's.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['stripe_event', 'stripe_movement', 'stripe_payout', 'stripe_payout_item', 'stripe_poll']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_staff ON %I USING ((SELECT row_party()) IS NULL)', name);
  END LOOP;
END $$;
