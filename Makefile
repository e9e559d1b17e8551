# 정산 (Jeongsan). `make help` lists what there is. Everything sets up what it needs by itself.
.DEFAULT_GOAL := help
.PHONY: help demo test serve bench soak lock setup
SHELL := /bin/bash
bin := .venv/bin
ready := .venv/ready

help: ## 이 목록 (this list)
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

$(ready): pyproject.toml requirements.lock scripts/setup
	@scripts/setup

setup: $(ready) ## 설치만 (set up .venv with the locked versions)

demo: $(ready) ## 2025년 사업을 넉 달치 정산 (the 2025 programme, four months settled, statements written)
	@env -u DATABASE_URL -u DATABASE_OWNER_URL $(bin)/python -m demo $(ARGS)

test: $(ready) ## 모든 검사 (style, import floors, all tests on a real PostgreSQL)
	@scripts/tool soffice libreoffice-calc fonts-nanum || true
	@scripts/tool java default-jre-headless || true
	@scripts/tool mvn maven || true
	@scripts/tool hledger hledger || true
	@(scripts/stripe-mock > /dev/null 2>&1 &)
	@scripts/tool chromium chromium fonts-nanum || true
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports
	env -u DATABASE_URL -u DATABASE_OWNER_URL $(bin)/python -m pytest -m "not soak" $(ARGS)

serve: $(ready) ## 포털을 이 컴퓨터에서 (the portal on 127.0.0.1:8000; PORT=… for another)
	@scripts/serve

bench: $(ready) ## 성능 표 (one table of rates and times against bare baselines)
	@env -u DATABASE_URL -u DATABASE_OWNER_URL $(bin)/python -m bench $(ARGS)

soak: $(ready) ## 긴 무작위 시험 (long randomised runs; ARGS="--soak-seconds=600")
	env -u DATABASE_URL -u DATABASE_OWNER_URL $(bin)/python -m pytest -m soak $(ARGS)

lock: $(ready) ## 버전 고정을 새로 (choose new versions and lock them)
	@scripts/lock
