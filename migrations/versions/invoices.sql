-- An invoice is what its items sum to, and what its month's run booked on the company's receivable: checked when the
-- transaction that issues it ends.
CREATE FUNCTION check_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE items record; booked bigint;
BEGIN
  SELECT sum(own_krw)::bigint AS own_krw, sum(supply_krw)::bigint AS supply_krw, sum(vat_krw)::bigint AS vat_krw INTO items
    FROM document_item WHERE document_id = NEW.id;
  IF (items.own_krw, items.supply_krw, items.vat_krw) IS DISTINCT FROM (NEW.total_krw, NEW.supply_krw, NEW.vat_krw) THEN
    RAISE EXCEPTION '% %-%: the items sum to %, the document says %', NEW.issuer, NEW.year, NEW.number, items.own_krw,
      NEW.total_krw USING ERRCODE = 'JS001';
  END IF;
  SELECT coalesce(sum(posting.amount_krw), 0)::bigint INTO booked
    FROM account JOIN posting ON posting.account_id = account.id JOIN entry ON entry.id = posting.entry_id
   WHERE account.programme = NEW.programme AND account.code = 'receivable:company:' || NEW.project
     AND entry.month = NEW.month AND entry.kind IN ('settle', 'gpu', 'cpu', 'storage', 'fee', 'draw');
  IF booked <> NEW.total_krw THEN
    RAISE EXCEPTION '% %-%: the document says %, the month booked % on receivable:company:%', NEW.issuer, NEW.year,
      NEW.number, NEW.total_krw, booked, NEW.project USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER invoice_ties AFTER INSERT ON document DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.kind IN ('invoice', 'credit_note')) EXECUTE FUNCTION check_invoice();

-- All items of an invoice come in one statement: nothing is added to it later.
CREATE FUNCTION check_document_items() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT document.issuer, document.year, document.number INTO bad
    FROM new_rows new_row JOIN document ON document.id = new_row.document_id
   GROUP BY document.id
  HAVING count(*) <> (SELECT count(*) FROM document_item WHERE document_item.document_id = document.id)
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %-%: an invoice is complete when it is issued: nothing is added to it', bad.issuer, bad.year, bad.number
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER complete AFTER INSERT ON document_item REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_document_items();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON document_item
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Numbers of invoices, and of credit notes, count from one in their series, whoever takes them.
CREATE FUNCTION check_invoice_numbers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT kind, issuer, year, max(document.number) AS number INTO bad
    FROM document JOIN (SELECT DISTINCT kind, issuer, year FROM new_rows WHERE kind IN ('invoice', 'credit_note')) AS series
         USING (kind, issuer, year)
   GROUP BY kind, issuer, year HAVING max(document.number) <> count(*) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% % %: number % leaves a gap', bad.kind, bad.issuer, bad.year, bad.number USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER gapless AFTER INSERT ON document REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_invoice_numbers();

-- A payment that names an invoice is one of the project that it bills.
CREATE FUNCTION check_named_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM document WHERE id = NEW.document_id AND total_krw IS NOT NULL
                   AND 'receivable:company:' || project = NEW.account) THEN
    RAISE EXCEPTION 'payment % %: % is not the receivable of the invoice that it names', NEW.channel, NEW.reference, NEW.account
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER named_invoice AFTER INSERT ON payment FOR EACH ROW WHEN (NEW.document_id IS NOT NULL)
  EXECUTE FUNCTION check_named_invoice();

GRANT SELECT, INSERT ON document_item TO jeongsan_rights;

ALTER TABLE document_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON document_item
  USING ((SELECT row_party()) IS NULL OR document_id IN (SELECT id FROM document));
