.PHONY: demo test serve down bench lint worlds
demo test serve down bench lint worlds:
	./doorstep $@ $(ARGS)
