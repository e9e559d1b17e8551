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

-- Parts come first, the decision that they are of after them in the same transaction (the foreign key waits for the
-- commit): a decision is complete when it appears, and nothing is added to it later.
CREATE SEQUENCE bank_match_id;
GRANT USAGE ON SEQUENCE bank_match_id TO jeongsan_rights;

CREATE FUNCTION check_bank_parts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows JOIN bank_match ON bank_match.id = match_id) THEN
    RAISE EXCEPTION 'what became of a bank row is complete when it is decided: no part is added to it' USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER before_their_match AFTER INSERT ON bank_part REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_bank_parts();

-- No LIMIT: for the first row alone the planner would join tens of thousands of rows one by one.
-- Money that was booked is not decided on again; what is in suspense leaves it by being booked or paid back. A bank row's
-- money is wholly somewhere or nowhere: the payments it was booked as sum to it, as cash moved.
CREATE FUNCTION check_bank_match() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT new_row.row_id, before.state INTO bad
    FROM new_rows new_row
    LEFT JOIN bank_match before ON before.row_id = new_row.row_id AND before.number = new_row.number - 1
   WHERE (new_row.number = 1) <> (before.id IS NULL) OR before.state IN ('booked', 'partial', 'returned')
      OR before.state = 'suspense' AND new_row.state NOT IN ('booked', 'returned')
      OR new_row.state = 'returned' AND before.state IS DISTINCT FROM 'suspense';
  IF FOUND THEN
    RAISE EXCEPTION 'bank row %: is % and is not decided on again', bad.row_id, coalesce(bad.state, 'new') USING ERRCODE = 'JS001';
  END IF;
  SELECT new_row.decided_by INTO bad
    FROM new_rows new_row JOIN user_account ON user_account.name = new_row.decided_by
   WHERE role NOT IN ('finance', 'admin') OR disabled_at IS NOT NULL;
  IF FOUND THEN
    RAISE EXCEPTION '%: may not decide about bank rows', bad.decided_by USING ERRCODE = 'JS001';
  END IF;
  SELECT decided.* INTO bad FROM (
    SELECT new_row.row_id, new_row.state, bank_row.amount_krw AS row_krw, coalesce(-back.amount_krw, bank_row.amount_krw) AS back_krw,
           new_row.state IN ('booked', 'partial', 'suspense') AS booked, count(payment_id) AS parts,
           count(payment_id) FILTER (WHERE channel <> 'bank' OR entry_id IS NULL) AS others,
           coalesce(sum(CASE WHEN starts_with(payment.account, 'payable:') OR starts_with(payment.account, 'expense:')
                             THEN -payment.amount_krw ELSE payment.amount_krw END), 0) AS parts_krw
      FROM new_rows new_row JOIN bank_row ON bank_row.id = row_id LEFT JOIN bank_row back ON back.id = returned_by
      LEFT JOIN bank_part ON match_id = new_row.id LEFT JOIN payment ON payment.id = payment_id
     GROUP BY new_row.id, new_row.row_id, new_row.state, bank_row.id, back.id) decided
   WHERE booked <> (parts > 0) OR booked AND parts_krw <> row_krw OR others > 0 OR back_krw <> row_krw;
  IF FOUND AND bad.back_krw <> bad.row_krw THEN
    RAISE EXCEPTION 'bank row % of %: what paid it back is another sum', bad.row_id, bad.row_krw USING ERRCODE = 'JS001';
  ELSIF FOUND AND bad.others > 0 THEN
    RAISE EXCEPTION 'bank row %: a part is no booked payment by bank', bad.row_id USING ERRCODE = 'JS001';
  ELSIF FOUND THEN
    RAISE EXCEPTION 'bank row % of %, %: its parts sum to %', bad.row_id, bad.row_krw, bad.state, bad.parts_krw USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER in_order AFTER INSERT ON bank_match REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_bank_match();
