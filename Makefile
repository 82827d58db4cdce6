.PHONY: demo test serve down bench lint
demo test serve down bench lint:
	./doorstep $@ $(ARGS)
