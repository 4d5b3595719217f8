/**
 * "Drop World!", the ACM tutorial's first program: one of the shortest that there can be. It drops every packet, and counts nothing, so the
 * object has a program and no map. Change XDP_DROP to XDP_PASS, build and load it again, and everything comes through.
 *
 * Its section is `.text`, where a C compiler puts functions that were not told otherwise. Loaders take a function there for a program
 * only when it is the object's only one: give programs sections of their own.
 */
import { XDP_DROP, xdp } from "wirescript/kernel";

export const dropworld = xdp(() => XDP_DROP, { section: ".text" });
