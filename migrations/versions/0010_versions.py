"""Statements keep the parties they were issued with, and are re-issued as a new version only

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_version
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION check_statement_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE newest integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('statements:' || NEW.programme));
  SELECT coalesce(max(version), 0) INTO newest FROM statement_version WHERE programme = NEW.programme AND month = NEW.month;
  IF NEW.version <> newest + 1 THEN
    RAISE EXCEPTION '% %: after version % of the statements comes %, not %', NEW.programme, to_char(NEW.month, 'YYYY-MM'),
      newest, newest + 1, NEW.version USING ERRCODE = 'JS001';
  END IF;
  IF (NEW.version > 1) <> EXISTS (SELECT 1 FROM month_lock WHERE programme = NEW.programme AND month = NEW.month) THEN
    RAISE EXCEPTION '% %: the run makes the first version of the statements, the later ones follow the lock', NEW.programme,
      to_char(NEW.month, 'YYYY-MM') USING ERRCODE = 'JS001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER in_order BEFORE INSERT ON statement_version FOR EACH ROW EXECUTE FUNCTION check_statement_version();

CREATE FUNCTION check_published_file() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE hit record;
BEGIN
  SELECT new_row.programme, new_row.month, new_row.name INTO hit FROM new_rows new_row
    JOIN month_lock USING (programme, month) WHERE new_row.version = 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% % is closed: % is only re-issued as a new version with a reason', hit.programme,
      to_char(hit.month, 'YYYY-MM'), hit.name USING ERRCODE = 'JS001';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER of_its_version AFTER INSERT ON published_file REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION check_published_file();

GRANT SELECT, INSERT ON statement_version TO jeongsan_rights;

-- Statements of every party lie side by side, each version with the parties of all of them: no party reads the tables.
ALTER TABLE statement_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_staff ON statement_version USING ((SELECT row_party()) IS NULL);
ALTER TABLE published_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_staff ON published_file USING ((SELECT row_party()) IS NULL);
"""


def upgrade() -> None:
    op.create_table(
        "statement_version",
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("projects", sa.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_statement_version_version_positive")),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_statement_version_reason_given")),
        sa.ForeignKeyConstraint(
            ["programme"], ["programme.code"], name=op.f("fk_statement_version_programme_programme")
        ),
        sa.PrimaryKeyConstraint("programme", "month", "version", name=op.f("pk_statement_version")),
    )
    op.create_foreign_key(
        op.f("fk_published_file_programme_statement_version"),
        "published_file",
        "statement_version",
        ["programme", "month", "version"],
        ["programme", "month", "version"],
    )
    op.execute(GUARDS)


def downgrade() -> None:
    raise NotImplementedError("the guards are not taken off")
