.PHONY: run test check install

run:
	scripts/run

test:
	scripts/test

check:
	scripts/check

install:
	scripts/install
