/** What an entry of the catalogue holds, and what its examples are made of. */
export interface Entry {
  what: string;
  why: string;
  fix: string;
  /** The body of a module that gives this diagnostic; the imports are added. `null` where no module can show it. */
  example: string | null;
}

export const tc = (body: string) => `export const p = tc.ingress((ctx) => {\n  ${body}\n  return TC_ACT_OK;\n});`;
export const program = (body: string) => `export const p = xdp((ctx) => {\n  ${body}\n  return XDP_PASS;\n});`;
