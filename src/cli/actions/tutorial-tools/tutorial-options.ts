/** What the XDP tutorial's tools have in common: their options, and how they complain about them. */
import { findLink, type Link } from "../../../sys/netlink/index.ts";
import { type OptionSpec, type ParsedOptions, parseOptions, usagePage } from "../../../tutorials/getopt.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure } from "./tool-failure.ts";

export const HELP: OptionSpec = { short: "h", long: "help", help: "Show help" };
export const QUIET: OptionSpec = { short: "q", long: "quiet", help: "Quiet mode (no output)" };
export const DEV: OptionSpec = {
  short: "d",
  long: "dev",
  argument: "<ifname>",
  help: "Operate on device <ifname>",
  required: true,
};

/** IFNAMSIZ */
const NAME_SIZE = 16;

/**
 * The options, and the device that every one of the tools needs; `null` when help was asked for, and shown.
 *
 * @throws ToolFailure as the tutorial's tools complain: exit status 2.
 */
export async function tutorialOptions(
  { name, args }: ToolCall,
  documentation: readonly string[],
  options: readonly OptionSpec[],
  purpose: string,
): Promise<(ParsedOptions & { device: Link }) | null> {
  const page = usagePage(name, documentation, options);
  const parsed = parseOptions(options, args);
  if (parsed.values.has("help")) {
    say(page);
    return null;
  }
  if (parsed.problem !== null || parsed.operands.length > 0) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `${name}: ${parsed.problem ?? `"${parsed.operands.join(" ")}" is no option`}`,
      fix: `Use --help (or -h) to see full option list.`,
    });
  }
  const dev = parsed.values.get("dev");
  if (dev === undefined) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `ERR: required option --dev missing\n\n${args.length === 0 ? page : `Usage: ${name} [options]`}`,
      fix: `Say which device: ${name} --dev eth0`,
    });
  }
  await mustBeAbleTo(purpose);
  return { ...parsed, device: deviceOf("--dev", dev) };
}

/** @throws ToolFailure */
export function deviceOf(option: string, name: string): Link {
  if (Buffer.byteLength(name) >= NAME_SIZE) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `ERR: ${option} name too long`,
      why: `A device's name has at most ${NAME_SIZE - 1} characters.`,
    });
  }
  const device = findLink(name);
  if (device !== null) return device;
  throw new ToolFailure({
    status: STATUS.OPTION,
    what: `ERR: ${option} name unknown err(19):No such device`,
    why: `There is no network device "${name}" in this network namespace.`,
    fix: "List them: ip -br link; for one inside of a lab: t exec -n LAB -- COMMAND",
  });
}
