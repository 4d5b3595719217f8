import { register } from "node:module";

register("../bench/strip-types.js", import.meta.url);
const { randomModule } = await import("./author.ts");
const { print } = await import("./print.ts");
const { runCase } = await import("./run-case.ts");
const { randomPackets } = await import("./packets.ts");
const { USUAL } = await import("./ways.ts");
const seed = Number(process.argv[2]);
const m = randomModule(seed);
if (process.argv[3]) console.log(print(m));
const v = runCase({ module: m, packets: randomPackets(seed, 16) }, USUAL, true);
console.log(v.passed ? v : (v.limit ?? v.failure.message));
if (v.failure?.results) {
  const r = v.failure.results;
  const a = r.evaluation.split("\n"),
    b = r.kernel.split("\n"),
    c = r.interpreter.split("\n");
  for (let i = 0; i < Math.max(a.length, b.length); i++)
    if (a[i] !== b[i] || a[i] !== c[i]) console.log("E", a[i], "\nK", b[i], "\nI", c[i]);
}
