-- ---------------------------------------------------------------- users
GRANT SELECT, INSERT, UPDATE (password_hash, disabled_at, sign_outs, lang) ON user_account TO jeongsan_rights;
GRANT SELECT, INSERT, UPDATE (succeeded), DELETE ON sign_in_attempt TO jeongsan_rights;

-- Who left does not come back under the name: what was done under it stays one person's.
CREATE TRIGGER stays_disabled BEFORE UPDATE OF disabled_at ON user_account
  FOR EACH ROW WHEN (OLD.disabled_at IS NOT NULL) EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- rows of one party
-- A request of a hospital's, a company's or the operator's user sets jeongsan.party for its transaction and sees and writes
-- that party's rows only, whatever its SQL says. Without it (commands, runs, staff) every row is there. The function
-- stands in a subselect wherever it is used, so that it is called once a statement and not once a row.
-- COPY cannot write to a table with policies: what is stored in bulk there is INSERTed from arrays.
CREATE FUNCTION row_party() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('jeongsan.party', true), '') $$;

ALTER TABLE document ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON document
  USING ((SELECT row_party()) IS NULL OR (SELECT row_party()) IN (issuer, recipient));

ALTER TABLE document_charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON document_charge
  USING ((SELECT row_party()) IS NULL OR document_id IN (SELECT id FROM document));

-- A company's payments are those of its projects, a hospital's those of its accounts; the operator keeps the books.
ALTER TABLE payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON payment
  USING ((SELECT row_party()) IS NULL
    OR split_part(account, ':', 3) = (SELECT row_party()) AND account LIKE ANY (ARRAY['payable:hospital:%', 'advance:hospital:%', 'payable:incentive:%'])
    OR account IN (SELECT unnest(ARRAY['receivable:company:' || code, 'payable:company:' || code, 'deposit:' || code])
                     FROM project WHERE company = (SELECT row_party()))
    OR programme IN (SELECT code FROM programme WHERE operator = (SELECT row_party())));

ALTER TABLE user_account ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON user_account
  USING ((SELECT row_party()) IS NULL OR party = (SELECT row_party()));
