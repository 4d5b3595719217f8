/** `wirescript balancer serve`: its options and examples. `../actions/balancer/serve.ts` does the work. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { ServeOptions } from "../actions/balancer/serve.ts";
import { teach } from "../examples.ts";
import { wholeNumber } from "../numbers.ts";

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("run the balancer and its API, until SIGTERM or Ctrl-C; the datapath then goes on forwarding. Needs root")
    .argument("[file]", "the desired state, YAML or JSON (default: the one that was accepted last)")
    .option(
      "--listen <address>",
      "where the API listens: PORT of this host only, ADDRESS:PORT, or :PORT of all",
      "127.0.0.1:9092",
    )
    .option("--token-file <file>", "a token that callers must show (or the variable WIRESCRIPT_BALANCER_TOKEN)")
    .option("--without-token", "let others in without a token, because something else keeps them out")
    .addOption(new Option("--host-name <names...>", "names that callers may know this host by, beside its addresses"))
    .addOption(
      new Option(
        "--rate-limit <n>",
        "requests per second and client; 0 for no limit (default: none on this host, 200 from others)",
      ).argParser(wholeNumber),
    )
    .option("--state-dir <directory>", "where the accepted state is kept (default: /var/lib/wirescript/balancer/INSTANCE)")
    .option("--instance <name>", "tells balancers on one host apart", "default")
    .option("--rules-listen <address>", "serve the XDP redirect demo's /rules there, such as 9091")
    .option("--rules-service <name>", "the service whose backends the rules are (default: the one in mode redirect)")
    .addOption(
      new Option(
        "--map-entries <map=n>",
        "room in a map of a new datapath, such as flows4=4194304; may be said again",
      ).argParser(collectEntries),
    )
    .option("--detach", "at the end, take the programs off the devices, and forward nothing any more")
    .addOption(new Option("--log-level <level>", "what is logged").choices(["debug", "info", "warn", "error"]).default("info"))
    .option("--netns <name>", "the network namespace of its devices: a name, a process's id, or a path")
    .action(async (file: string | undefined, { withoutToken, ...options }: ServeOptions & { withoutToken?: boolean }) => {
      const { serve } = await import("../actions/balancer/serve.ts");
      await serve(file, { ...options, token: withoutToken !== true });
    });
  return teach(
    command,
    [
      ["wirescript balancer serve balancer.yaml", "with what a document says; SIGHUP reads it again"],
      ["wirescript balancer serve", "with the state that was accepted last"],
      ["wirescript balancer serve --listen :9092 --token-file /etc/wirescript/token", "for others, who show the token"],
      ["wirescript balancer serve --rules-listen 9091", "and the XDP redirect demo's /rules"],
    ],
    "It logs one JSON object a line, and tells systemd when it is ready; docs/systemd has a unit for it.",
  );
}

/** Commander's collector: adds one NAME=N to those before. */
function collectEntries(text: string, before: Record<string, number> = {}): Record<string, number> {
  const [, name, digits] = /^([a-z]\w*)=([1-9]\d{0,8})$/.exec(text) ?? [];
  if (name !== undefined) return { ...before, [name]: Number(digits) };
  throw new InvalidArgumentError("It is written MAP=N, with N from 1 on.");
}
