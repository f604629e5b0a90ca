# One word a task. Settings are given as variables: make up RATE=5 PORT=19092; `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONUNBUFFERED := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
ifeq ($(origin PREFECT_HOME),undefined)
# By its value, since a variable of the shell's with a $ in it would be expanded, and what it names be made.
PREFECT_HOME := $(if $(value TRENDING_HOME),$(value TRENDING_HOME),$(CURDIR)/.trending)/prefect
endif
export PREFECT_HOME
# Of what the shell exports for other Pythons and other Prefects, nothing reaches ours, except how to ask a server of one's own.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PYTHONINSPECT PYTHONDEBUG PYTHONVERBOSE PYTHONUTF8
KEPT := PREFECT_HOME PREFECT_SERVER_ANALYTICS_ENABLED PREFECT_API_% PREFECT_CLIENT_% PREFECT_CLOUD_%
$(foreach v,$(filter-out $(KEPT),$(filter PREFECT_%,$(.VARIABLES))),$(eval unexport $v))
# A certificate file that is not there: Prefect's import would die of it.
$(foreach v,SSL_CERT_FILE SSL_CERT_DIR,$(if $($v),$(if $(wildcard $($v)),,$(eval unexport $v))))
# Prefect does not make the directories above its home.
quoted = '$(subst ','\'',$(1))'
MADE := $(shell mkdir -p $(call quoted,$(PREFECT_HOME)))

# Every variable on the command line is a setting: RATE=5 becomes TRENDING_RATE=5, and a name nobody knows is an error there.
OWN := PYTHON VENV SERVICE ARGS
GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v))
SETTINGS := $(filter-out $(OWN) TRENDING_% MAKE%,$(GIVEN))
$(foreach v,$(SETTINGS),$(eval export TRENDING_$v = $$($v)))
ifdef DEMO_SECONDS
export TRENDING_DEMO_SECONDS := $(DEMO_SECONDS)
endif

.PHONY: development moving-picture rehearse present package spark-cluster spark-cluster-stop help setup prerequisites jars archives demo up start down stop restart status spy export client smoke audit rebuild redrive tweet verify logs health observe dashboard game-day serve serve-password prefect serve-stop test test-rest test-clusters test-all test-fast check bench server-stop screenshots soak mutants replay-demo report images compose docs lock sbom audit-dependencies clean produce replay replay-topic rate trend record truth naive evaluate scenario-pictures
help: ## this list
	@grep -E '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

# A checkout that was copied would run the original's code, and one that was moved none: the path file says where it was set up.
PLACE := $(shell cat $(VENV)/lib/python3*/site-packages/trending-lab.pth 2>/dev/null | head -n 1)
SET_UP_HERE := $(shell test ! -e $(VENV)/.complete || test $(call quoted,$(PLACE)) = "$$(pwd -P)" && echo yes)
.PHONY: relocation
relocation:
	@PYTHONPATH=src:. $(PYTHON) -m infra.commands.relocation $(VENV)

# A stamp keeps the lock it was made from: what a newer lock has no more would stay installed otherwise, and be imported by others.
# pip itself stays: only the development's lock has it.
# A lock is complete, so pip has nothing to resolve; left to it, it takes the newest of a package that another wants with an extra.
INSTALL = PYTHONPATH=src:. $(PY) -m infra.lab.packages
define UNINSTALL
gone=$$(sed -n 's/==.*//p' $@ $(1) $(1) 2>/dev/null | sort | uniq -u | grep -vx pip); \
	  test -z "$$gone" || $(PY) -m pip uninstall --quiet --yes $$gone
endef
$(VENV)/.complete: requirements.lock pyproject.toml | $(if $(SET_UP_HERE),,relocation)
	@PYTHONPATH=src:. $(PYTHON) -m infra.lab.prerequisites
	@echo "setting up $(VENV) from requirements.lock (once, one to two minutes)"
	@PYTHONPATH=src:. $(PYTHON) -m infra.commands.relocation $(VENV) own
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) requirements.lock
	@$(call UNINSTALL,requirements.lock)
	@$(PY) -c 'import os, site; open(site.getsitepackages()[0] + "/trending-lab.pth", "w").write(f"{os.getcwd()}\n{os.getcwd()}/src\n")'
	@install -m 755 infra/console/lab.sh $(VENV)/bin/lab
	@$(PY) -m infra.java.jars
	@cp requirements.lock $@

# What only those need who test or change the lab: browser driver, linters, type checker. It has the packages above too, as they are.
DEVELOPMENT := $(VENV)/.development
$(DEVELOPMENT): requirements-dev.lock $(VENV)/.complete
	@echo "adding the tools of requirements-dev.lock to $(VENV) (once, half a minute)"
	@$(INSTALL) requirements-dev.lock
	@$(call UNINSTALL,requirements-dev.lock)
	@cp requirements-dev.lock $@

development: $(DEVELOPMENT) ## what tests, checks and the notebook's kernel need, in the same environment

setup: $(VENV)/.complete jars archives ## virtual environment, jars, class archives

prerequisites: ## check Python, Java, memory and disk
	@PYTHONPATH=src:. $(PYTHON) -m infra.lab.prerequisites

jars: $(VENV)/.complete ## fetch and check the locked jars
	@$(PY) -m infra.java.jars

archives: jars ## make the class archives that Kafka and Spark start faster with
	@$(PY) -m infra.commands.training

JARS := $(VENV)/.complete
demo: $(JARS) ## start, watch, audit, tear down
	@$(PY) -m flows.demo $(ARGS)

rehearse: $(JARS) ## the evening before a presentation: whether start, ports, memory and screen hold, without a network
	@$(PY) -m flows.rehearse $(ARGS)

present: $(JARS) ## before an audience: start, open the page for a projector, three things to say
	@$(PY) -m flows.commands.present $(ARGS)

report: $(JARS) ## HTML report and slides of the running stack, or of one brought up for it: OUT=directory
	@$(PY) -m flows.report $(ARGS)

replay-demo: $(JARS) ## play a recording of the page, without broker and Spark: RECORDING=file, or STORE=file for a recorded store
	@$(PY) -m infra.commands.recordings.play $(ARGS)

record: $(JARS) ## save what the page has shown in the last minutes: RECORDING=file LAST=300, for make replay-demo
	@$(PY) -m infra.commands.recordings.record $(ARGS)

up start: $(JARS) ## bring the stack up, or what is missing of it
	@$(PY) -m flows.start_up $(ARGS)

stop: $(JARS) ## stop everything, keep everything
	@TRENDING_STOP_ONLY=true $(PY) -m flows.tear_down $(ARGS)

down: $(JARS) ## take the stack down; VOLUMES=1 deletes its data
	@$(PY) -m flows.tear_down $(ARGS)

restart: ## stop and start again
	@$(MAKE) --no-print-directory stop
	@$(MAKE) --no-print-directory start

status: $(JARS) ## what is there, how it is doing, what is left over
	@$(PY) -m infra.commands.status $(ARGS)

spy: $(JARS) ## print the topic from the beginning
	@$(PY) -m infra.commands.spy $(ARGS)

export: $(JARS) ## write the final windows as Parquet: TO=directory or s3a://bucket/prefix
	@$(PY) -m infra.commands.export $(ARGS)

client: $(JARS) ## files with which Kafka's own tools and kcat get in, with the password if there is one
	@$(PY) -m infra.commands.client $(ARGS)

smoke: $(JARS) ## five messages there and back
	@$(PY) -m flows.smoke_test $(ARGS)

audit: $(JARS) ## prove the count
	@$(PY) -m flows.audit $(ARGS)

rebuild: $(JARS) ## count the store anew from the log, under a new checkpoint: after a damaged one
	@$(PY) -m infra.commands.rebuild $(ARGS)

redrive: $(JARS) ## send dead letters back that would be tweets today: shows them, SEND=1 sends, BODIES=directory mends
	@$(PY) -m infra.commands.redrive $(ARGS)

tweet: $(JARS) ## send one by hand: make tweet TEXT='hola #Clase', AGO=150 for an old one
	@$(PY) -m infra.commands.simulator.tweet $(ARGS)

rate: $(JARS) ## another rate while the producer works: make rate RATE=500 FOR=60; without RATE as before
	@$(PY) -m infra.commands.simulator.rate $(ARGS)

trend: $(JARS) ## one more trend of the scenario at work: make trend HASHTAG='#Gol' FOR=60 PEAK=0.5
	@$(PY) -m infra.commands.simulator.trend $(ARGS)

verify: $(JARS) ## whether a topic is a scenario: make verify SCENARIO=world-cup
	@$(PY) -m infra.commands.simulator.verify $(ARGS)

replay: $(JARS) ## send a file of tweets, JSON lines, CSV or Parquet: make replay FILE=tweets.csv SPEED=10
	@$(PY) -m infra.producers.replay_file $(ARGS)

replay-topic: $(JARS) ## send again what a topic holds: make replay-topic FROM=trending NAME=another SPEED=10
	@$(PY) -m infra.producers.replay_topic $(ARGS)

truth: $(JARS) ## what a scenario means, from its seed alone: make truth SCENARIO=lessons WINDOW_SECONDS=10
	@$(PY) -m infra.commands.simulator.truth $(ARGS)

naive: $(JARS) ## the tutorial's own job beside ours, and what it loses: BATCH=100
	@$(PY) -m flows.commands.naive $(ARGS)

evaluate: $(JARS) ## any streaming job against the truth: JOB='command' RESULTS=sqlite:PATH?table=NAME FAULTS=broker-killed
	@$(PY) -m flows.commands.evaluate $(ARGS)

logs: $(JARS) ## last lines of a program: make logs SERVICE=kafka
	@$(PY) -m infra.commands.logs --service $(or $(SERVICE),stream) $(ARGS)

health: $(JARS) ## look at every component; HEAL=1 repairs the one that is down
	@$(PY) -m flows.health_check $(ARGS)

produce: $(JARS) ## one more producer, here or elsewhere: make produce PRODUCER_NAME=laptop RATE=100 PRODUCE_SECONDS=60
	@$(PY) -m flows.produce $(ARGS)

observe: $(JARS) ## files and commands for Prometheus and Grafana, for every stack that is up
	@$(PY) -m infra.commands.observe $(ARGS)

dashboard: $(JARS) ## write the Grafana dashboard from its panels
	@$(PY) -m infra.observability.dashboard

game-day: $(JARS) ## break the running stack on purpose: make game-day FAULTS=broker-killed,jvm-killed
	@$(PY) -m flows.game_day $(ARGS)

serve: $(JARS) ## Prefect server, worker, deployments, automations: then work from the UI
	@$(PY) -m flows.commands.serve $(ARGS)

serve-password: $(JARS) ## print the password of the lab's Prefect server
	@$(PY) -m infra.prefect_services.credentials

prefect: $(JARS) ## a command of Prefect's on the lab's server: make prefect ARGS="deployment run 'start-up/local' --watch"
	@$(PY) -m flows.commands.prefect_command $(ARGS)

serve-stop server-stop: $(JARS) ## stop the Prefect server and worker that the lab started; stacks go on
	@$(PY) -m infra.prefect_services.server stop

package: $(JARS) ## the file that a Spark cluster gets of the job: code, compiled dependencies, jars
	@$(PY) -m infra.spark_cluster.package

spark-cluster: $(JARS) ## a Spark master and two workers here, on loopback: then make up SPARK_MASTER=spark://127.0.0.1:7077
	@$(PY) -m infra.spark_cluster.standalone

spark-cluster-stop: $(JARS) ## stop that master and its workers
	@$(PY) -m infra.spark_cluster.standalone stop

images: $(VENV)/.complete ## build local stand-in images, where no image registry answers (as root, on Debian)
	@$(PY) -m infra.docker.stand_ins

soak: setup $(DEVELOPMENT) ## kill a stack of its own at full rate for an hour, then audit it: SECONDS=3600 KILLS=100
	@PYTHONPATH=tests $(PY) -m kills.soak $(ARGS)

mutants: $(DEVELOPMENT) ## change a module in every small way and see what its tests notice: MODULE=trending.tweets.rule
	@PYTHONPATH=tests $(PY) -m mutation.run $(ARGS)

screenshots: $(DEVELOPMENT) ## pictures of a running stack's page into docs/screenshots
	@PYTHONPATH=tests $(PY) -m real.pictures.screenshots

moving-picture: $(DEVELOPMENT) ## the README's picture of the page, from the shipped recording: needs Chromium and ImageMagick
	@PYTHONPATH=tests $(PY) -m real.pictures.moving_picture

scenario-pictures: $(DEVELOPMENT) ## play the ready scenarios on real stacks for docs/scenarios: ARGS=soak plays one; make docs draws them
	@PYTHONPATH=tests $(PY) -m real.pictures.scenario_pictures $(ARGS)

# Files whole on one worker, the longest first: tests/order.py.
# Rewriting the tests' assertions takes a worker 13 s, reading what an earlier run has kept 5: kept it is, whatever the shell says.
PYTEST := PYTHONDONTWRITEBYTECODE= $(PY) -m pytest --dist loadfile --no-loadscope-reorder

test: setup $(DEVELOPMENT) ## fast tests, and a journey in each runtime that this machine has; names what it skips and says how long it took
	@$(PYTEST) -n 2 -m "not real or journey" --hypothesis-profile=quick $(ARGS)

test-rest: setup $(DEVELOPMENT) ## what `make test` leaves out of `make test-all`
	@$(PYTEST) -n 2 -m "real and not journey" $(ARGS)

test-all: setup $(DEVELOPMENT) ## the whole suite
	@$(PYTEST) -n 2 $(ARGS)

# The jars for s3a and the object store that it starts are fetched by this command only.
test-clusters: setup $(DEVELOPMENT) ## the tests with a checkpoint and an export in an object store, which other targets skip until this was run once
	@TRENDING_REQUIRE=s3 $(PYTEST) tests/real/clusters/test_objects.py $(ARGS)

# A third of its time is waiting, so three workers on two cores.
test-fast: $(DEVELOPMENT) ## what needs neither network nor Java, with a fifth of the examples: while one works
	@$(PYTEST) -n 3 -m "not real and not thorough" --ignore=tests/real --hypothesis-profile=quick $(ARGS)

check: $(DEVELOPMENT) ## lint, format, types, import rules; whether parts and audit are those of the locks
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-cache
	@$(PY) -m supply_chain.documents

bench: setup $(DEVELOPMENT) ## measure every row against its peers, for two hours: ARGS="--rows 3,4 --rounds 1"; results in benchmarks/results
	@$(PY) -m benchmarks.run $(ARGS)

compose: $(JARS) ## write the Docker Compose files from the declaration
	@$(PY) -m infra.docker.compose --write

docs: $(DEVELOPMENT) ## write the notebooks, docs/troubleshooting.md, docs/settings.md, docs/*.schema.json, docs/scaling.md's tables and tests/faults.md
	@$(PY) -m infra.commands.manual
	@$(PY) -m flows.notebook.maker
	@$(PY) -m trending.report.writing docs/defence
	@PYTHONPATH=tests $(PY) -m fault_table
	@$(PY) -m benchmarks.scaling.page

COMPILE := $(PY) -m piptools compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe
lock: $(DEVELOPMENT) ## make the locks anew, and those of the benchmarks' peers and of the object store; then: make setup sbom audit-dependencies
	@$(COMPILE) -o requirements.lock pyproject.toml
	@$(COMPILE) --extra dev --constraint requirements.lock -o requirements-dev.lock pyproject.toml
	@$(COMPILE) -o benchmarks/peers/requirements.lock benchmarks/peers/requirements.in
	@$(COMPILE) -o tests/real/clusters/object_store.lock tests/real/clusters/object_store.in

sbom: $(DEVELOPMENT) ## list the parts in docs/sbom.cdx.json and their licences in docs/licences.md: after make lock, with network
	@$(PY) -m supply_chain.sbom

audit-dependencies: $(DEVELOPMENT) ## ask for known holes of the parts, and write docs/dependency-audit.md: after make lock, with network
	@$(PY) -m supply_chain.audit

clean: ## delete everything that make made, data included; refuses while something runs
	@PYTHONPATH=src:. $(PYTHON) -m infra.commands.clean $(call quoted,$(VENV))
	@rm -rf -- $(call quoted,$(VENV)) .trending *.egg-info .mypy_cache .ruff_cache .pytest_cache
