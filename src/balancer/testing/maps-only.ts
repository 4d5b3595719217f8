/** Datapaths for tests of what stands on them. */
import type { ObjectSpec } from "../../object/spec.ts";
import { readSource } from "../../runtime/source.ts";

/** The balancer's maps under a program that lets every packet pass. */
export async function mapsOnly(): Promise<ObjectSpec> {
  return (await readSource(new URL("maps-only.bpf.ts", import.meta.url))).spec;
}

/** Flow tables of usual size take hundreds of megabytes. */
export const SMALL = { flows4: 4096, flows6: 4096, origins4: 4096, origins6: 4096 };
