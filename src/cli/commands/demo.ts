/** `wirescript demo`: its options. `../actions/demo.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function demoCommand(): Command {
  const command = new Command("demo")
    .description(
      "See it work: a lab of its own, a program that answers pings in the driver, real packets. Needs root. (npm start)",
    )
    .option("--keep", "leave the lab and the program, and say how to look at them and how to remove them")
    .action(async (options: { keep?: boolean }) => {
      const { demo } = await import("../actions/demo.ts");
      await demo(options.keep === true);
    });
  return teach(command, [
    ["wirescript demo", "takes a few seconds, and leaves nothing behind"],
    ["wirescript demo --keep", "to look around in it afterwards"],
  ]);
}
