-- ---------------------------------------------------------------- what a bank row is stays, and so does what became of it
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['bank_statement', 'bank_row', 'bank_match', 'bank_part']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    -- No party reads the statements of our account.
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_staff ON %I USING ((SELECT row_party()) IS NULL)', name);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO jeongsan_rights', name);
  END LOOP;
END $$;

CREATE VIEW bank_state WITH (security_invoker = true) AS
SELECT DISTINCT ON (row_id) * FROM bank_match ORDER BY row_id, number DESC;
GRANT SELECT ON bank_state TO jeongsan_rights;

-- Money that was booked is not decided on again; what is in suspense leaves it by being booked or paid back.
CREATE FUNCTION check_bank_match() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT new_row.row_id, before.state INTO bad
    FROM new_rows new_row
    LEFT JOIN bank_match before ON before.row_id = new_row.row_id AND before.number = new_row.number - 1
   WHERE (new_row.number = 1) <> (before.id IS NULL) OR before.state IN ('booked', 'partial', 'returned')
      OR before.state = 'suspense' AND new_row.state NOT IN ('booked', 'returned')
      OR new_row.state = 'returned' AND before.state IS DISTINCT FROM 'suspense'
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'bank row %: is % and is not decided on again', bad.row_id, coalesce(bad.state, 'new') USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER in_order AFTER INSERT ON bank_match REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_bank_match();

-- A bank row's money is wholly somewhere or nowhere: the payments it was booked as sum to it, as cash moved.
CREATE FUNCTION check_bank_parts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE found record; decided bigint;
BEGIN
  decided := (to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'bank_match' THEN 'id' ELSE 'match_id' END)::bigint;
  SELECT bank_match.row_id, state, bank_row.amount_krw AS row_krw, back.amount_krw AS back_krw,
         count(payment.id) AS parts, count(*) FILTER (WHERE channel <> 'bank' OR entry_id IS NULL) AS others,
         sum(CASE WHEN starts_with(payment.account, 'payable:') OR starts_with(payment.account, 'expense:')
                  THEN -payment.amount_krw ELSE payment.amount_krw END) AS parts_krw INTO found
    FROM bank_match JOIN bank_row ON bank_row.id = row_id LEFT JOIN bank_row back ON back.id = returned_by
    LEFT JOIN bank_part ON match_id = bank_match.id LEFT JOIN payment ON payment.id = payment_id
   WHERE bank_match.id = decided GROUP BY bank_match.id, bank_row.id, back.id;
  IF found.state IN ('booked', 'partial', 'suspense') THEN
    IF found.parts = 0 OR found.parts_krw <> found.row_krw THEN
      RAISE EXCEPTION 'bank row % of %: its parts sum to %', found.row_id, found.row_krw, coalesce(found.parts_krw, 0) USING ERRCODE = 'JS001';
    ELSIF found.others > 0 THEN
      RAISE EXCEPTION 'bank row %: a part is no booked payment by bank', found.row_id USING ERRCODE = 'JS001';
    END IF;
  ELSIF found.parts > 0 OR found.back_krw <> -found.row_krw THEN
    RAISE EXCEPTION 'bank row %: is %, so nothing of it is booked, or what paid it back is another sum', found.row_id, found.state
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER parts_sum AFTER INSERT ON bank_match DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.state IN ('booked', 'partial', 'suspense', 'returned')) EXECUTE FUNCTION check_bank_parts();
CREATE CONSTRAINT TRIGGER parts_sum AFTER INSERT ON bank_part DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_bank_parts();
