/**
 * `npm run bench`. The benchmark is TypeScript, it reaches into src/, and Node.js 20 runs neither by itself: the types are stripped
 * while loading, so that nothing has to be built for it, and nothing of it gets into dist/.
 */
import { register } from "node:module";

register("./strip-types.js", import.meta.url);
const { main } = await import("./main.ts");
process.exitCode = await main();
