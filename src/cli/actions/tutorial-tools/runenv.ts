/** `./runenv.sh -i` and `-c` of the TFG's cases: makes a case's scenario, and takes it away again. It speaks Spanish, as the original does. */

import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { clean, install, SCENARIOS } from "../../../tutorials/scenario.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { paint, say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure, told } from "./tool-failure.ts";

const OPTIONS: readonly OptionSpec[] = [
  { short: "i", long: "install", help: "" },
  { short: "c", long: "clean", help: "" },
  { short: "h", long: "help", help: "" },
];

const USAGE = [
  "Uso: ./runenv.sh [-i | -c | -h]",
  "",
  "  -i | --install : levantar el escenario",
  "  -c | --clean   : limpiar el escenario",
  "  -h | --help    : mostrar esta ayuda",
].join("\n");

export async function runenv({ args, configuration: [name = ""] }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions(OPTIONS, args);
  const scenario = SCENARIOS[name];
  if (values.has("help")) {
    say(USAGE);
    return STATUS.OK;
  }
  const wanted = ["install", "clean"].filter((option) => values.has(option));
  if (problem !== null || operands.length > 0 || wanted.length !== 1 || scenario === undefined) {
    throw new ToolFailure({ status: STATUS.FAIL, what: USAGE, why: problem ?? "It takes -i or -c.", fix: "./runenv.sh -i" });
  }
  await told(STATUS.FAIL, "Este script necesita permisos de root para levantar el escenario.", () =>
    mustBeAbleTo("make network namespaces"),
  );
  const failed = (error: Error) => error.message;
  if (wanted[0] === "install") {
    say("Levantando escenario...");
    await told(STATUS.FAIL, failed, () => install(scenario));
  } else {
    process.stderr.write("Limpiando el escenario...\n");
    const found = await told(STATUS.FAIL, failed, () => clean(scenario));
    if (!found) {
      const what = "No hay escenario que limpiar.";
      throw new ToolFailure({ status: STATUS.FAIL, what, why: "There was nothing of it.", fix: "Make it: ./runenv.sh -i" });
    }
  }
  say(paint("green", "Completado :)"));
  return STATUS.OK;
}
