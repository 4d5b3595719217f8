/** A datapath that has the balancer's maps and lets every packet pass: for tests of what writes the maps. */
import { XDP_PASS, xdp } from "wirescript/kernel";

export * from "../../programs/balancer-maps.bpf.ts";

export const balancer = xdp(() => XDP_PASS);
