/** `wirescript demo`: its options. `../actions/demo/` does the work. */
import { Argument, Command } from "commander";
import { teach } from "../examples.ts";

export function demoCommand(): Command {
  const command = new Command("demo")
    .description("See it work, on real packets in a lab of its own that vanishes afterwards. Needs root. (npm start)")
    .addArgument(
      new Argument("[what]", "a balancer with four web servers, or a program that answers pings in the driver")
        .choices(["balancer", "echo"])
        .default("balancer"),
    )
    .option("--keep", "leave it, and say how to look around in it; the balancer goes on until Ctrl-C")
    .action(async (what: "balancer" | "echo", options: { keep?: boolean }) => {
      const keep = options.keep === true;
      if (what === "echo") return await (await import("../actions/demo/echo.ts")).demoEcho(keep);
      await (await import("../actions/demo/balancer.ts")).demoBalancer(keep);
    });
  return teach(command, [
    ["wirescript demo", "a server dies and comes back; takes half a minute, and leaves nothing behind"],
    ["wirescript demo --keep", "to steer it yourself afterwards"],
    ["wirescript demo echo", "the smallest program worth loading"],
  ]);
}
