/** `wirescript types`: its options and examples. `../actions/types.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function typesCommand(): Command {
  const command = new Command("types")
    .description("Print TypeScript declarations of what is in an eBPF object. Needs no root and no kernel.")
    .argument("<file>", "an eBPF object (*.o) with BTF, as clang -g makes it")
    .option("-o, --output <file>", "where to write them (default: the standard output)")
    .action(async (file: string, options: { output?: string }) => {
      const { types } = await import("../actions/types.ts");
      await types(file, options);
    });
  return teach(
    command,
    [
      ["wirescript types filter.o", "programs, maps with their keys and values, variables and settings"],
      ["wirescript types filter.o -o filter.d.ts", "for an import"],
    ],
    'Then: import type * as Filter from "./filter.d.ts"; … await load<typeof Filter>("filter.o")',
  );
}
