/** `node fuzz/edits.js`. As the benchmark, it is TypeScript whose types are stripped while loading. */
import { register } from "node:module";

register("../bench/strip-types.js", import.meta.url);
const { main } = await import("./edits.ts");
process.exitCode = await main();
