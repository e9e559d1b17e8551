-- ---------------------------------------------------------------- tax documents
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tax_document', 'tax_reason', 'tax_file', 'tax_file_document', 'tax_approval']
  LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  END LOOP;
END $$;

-- Who a document names: the parties as they are on record, the issuer with its legal payee of the document's day.
CREATE FUNCTION parties_now(issuer text, recipient text, day date) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'issuer', (SELECT to_jsonb(party) FROM party WHERE code = issuer),
    'payee', (SELECT jsonb_build_object('name', name, 'brn', brn) FROM party_payee
               WHERE party = issuer AND since <= day ORDER BY since DESC LIMIT 1),
    'recipient', (SELECT to_jsonb(party) FROM party WHERE code = recipient))
$$;

-- A document is complete when its face is stored: sums, items, charges and the original that it names belong together.
CREATE FUNCTION check_tax_documents() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT document.issuer, document.year, document.number, face.tax, document.kind INTO bad
    FROM new_rows face JOIN document ON document.id = face.document_id
   WHERE document.kind <> CASE face.tax WHEN 'exempt' THEN 'invoice_exempt' ELSE 'tax_invoice' END
      OR (face.tax <> 'taxable' AND document.vat_krw <> 0) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %-%: % supply stands in a document of its own (%) and bears no VAT', bad.issuer, bad.year, bad.number,
      bad.tax, bad.kind USING ERRCODE = 'JS001';
  END IF;
  SELECT document.issuer, document.year, document.number INTO bad
    FROM new_rows face JOIN document ON document.id = face.document_id
    CROSS JOIN LATERAL (SELECT sum((item->>'supply_krw')::bigint) AS supply_krw, sum((item->>'vat_krw')::bigint) AS vat_krw
      FROM jsonb_array_elements(face.items) AS item) items
    CROSS JOIN LATERAL (SELECT sum(amount_krw) * CASE face.role WHEN 'cancel' THEN -1 ELSE 1 END AS supply_krw,
        sum(charge.vat_krw) * CASE face.role WHEN 'cancel' THEN -1 ELSE 1 END AS vat_krw
      FROM document_charge JOIN charge ON charge.id = charge_id WHERE document_charge.document_id = face.document_id) charged
   WHERE (document.supply_krw, document.vat_krw) IS DISTINCT FROM (items.supply_krw, items.vat_krw)
      OR (document.supply_krw, document.vat_krw) IS DISTINCT FROM (charged.supply_krw, charged.vat_krw) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %-%: the sums are not those of its items and of its charges', bad.issuer, bad.year, bad.number
      USING ERRCODE = 'JS001';
  END IF;
  SELECT document.issuer, document.year, document.number INTO bad
    FROM new_rows face JOIN document ON document.id = face.document_id
    JOIN document_charge ON document_charge.document_id = face.document_id
    JOIN document_charge other ON other.charge_id = document_charge.charge_id AND other.document_id <> face.document_id
    JOIN tax_document other_face ON other_face.document_id = other.document_id AND other_face.role IN ('ordinary', 'change')
   WHERE face.role IN ('ordinary', 'change') LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %-%: a charge of it is in another tax document', bad.issuer, bad.year, bad.number
      USING ERRCODE = 'JS001';
  END IF;
  SELECT document.issuer, document.year, document.number INTO bad
    FROM new_rows face JOIN document ON document.id = face.document_id
    LEFT JOIN document before ON before.id = face.original_id
    LEFT JOIN tax_document original ON original.document_id = face.original_id
   WHERE face.role <> 'ordinary'
     AND ((document.programme, document.kind, document.issuer, document.recipient, document.project, face.tax)
          IS DISTINCT FROM (before.programme, before.kind, before.issuer, before.recipient, before.project, original.tax)
       OR original.document_id >= face.document_id
       OR original.role = 'cancel'
       OR face.role = 'cancel' AND (document.supply_krw, document.vat_krw) <> (-before.supply_krw, -before.vat_krw)
       OR face.role = 'corrected' AND NOT EXISTS (SELECT 1 FROM tax_document cancelled
            WHERE cancelled.original_id = face.original_id AND cancelled.role = 'cancel')) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% %-%: a modified document names an earlier one of the same parties, project and tax type', bad.issuer,
      bad.year, bad.number USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER belongs_together AFTER INSERT ON tax_document REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_tax_documents();

CREATE FUNCTION refuse_charge_of_issued() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM new_rows JOIN tax_document USING (document_id)) THEN
    RAISE EXCEPTION 'a tax document is complete when it is issued: no charge is added to it' USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER complete AFTER INSERT ON document_charge REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_charge_of_issued();

-- A person states the reason of a change that the run issued, until the tax office knows the document.
CREATE FUNCTION check_tax_reason() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.reason = '01' OR NOT EXISTS (SELECT 1 FROM tax_document WHERE document_id = NEW.document_id AND role = 'change')
     OR EXISTS (SELECT 1 FROM tax_file_document WHERE document_id = NEW.document_id)
     OR EXISTS (SELECT 1 FROM tax_approval WHERE document_id = NEW.document_id) THEN
    RAISE EXCEPTION 'document %: a reason is stated for a change that is not exported yet', NEW.document_id
      USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER of_a_change BEFORE INSERT ON tax_reason FOR EACH ROW EXECUTE FUNCTION check_tax_reason();

-- ---------------------------------------------------------------- rows of one party
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tax_document', 'tax_reason', 'tax_file_document', 'tax_approval']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY of_party ON %I
      USING ((SELECT row_party()) IS NULL OR document_id IN (SELECT id FROM document))', name);
  END LOOP;
END $$;

ALTER TABLE tax_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_party ON tax_file USING ((SELECT row_party()) IS NULL);

GRANT SELECT, INSERT ON tax_document, tax_file, tax_file_document, tax_approval TO jeongsan_rights;
GRANT SELECT, INSERT (document_id, reason, said_by, said_at) ON tax_reason TO jeongsan_rights;  -- the last one counts
GRANT UPDATE (tax_reason) ON category TO jeongsan_rights;
-- A number that a party was loaded without is added once; it never changes.
CREATE TRIGGER set_once BEFORE UPDATE OF brn ON party
  FOR EACH ROW WHEN (OLD.brn IS NOT NULL AND NEW.brn IS DISTINCT FROM OLD.brn) EXECUTE FUNCTION refuse_change();
GRANT UPDATE (brn) ON party TO jeongsan_rights;
