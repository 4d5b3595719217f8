import { register } from "node:module";

register("../bench/strip-types.js", import.meta.url);
const { compile } = await import("../src/compiler/compile.ts");
const { writeElf } = await import("../src/object/elf/write.ts");

import { writeFileSync } from "node:fs";

const { spec } = compile(process.argv[2], { cpu: 3 });
writeFileSync(process.argv[3], writeElf(spec));
