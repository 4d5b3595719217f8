# The object that ./xdp_loader loads.
prog_kern.o: $(wildcard *.bpf.ts)
	../wirescript build prog_kern.bpf.ts -o $@

clean:
	rm -f *.o

.PHONY: clean
