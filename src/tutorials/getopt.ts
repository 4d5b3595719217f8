/**
 * Command lines as getopt_long(3) reads them, for the tools whose options the lessons print: short options in one word, long ones with `=` or
 * a word of their own and abbreviated as long as they are unambiguous, options between operands, and `--` as the end of them. Pure.
 */

export interface OptionSpec {
  /** "d" */
  short?: string;
  /** "dev" */
  long: string;
  /** What stands for its argument in the usage: "<ifname>"; undefined when it takes none. */
  argument?: string;
  help: string;
  required?: boolean;
}

export interface ParsedOptions {
  /** By long name: the argument, or "" for an option without one; the last one counts. */
  values: Map<string, string>;
  operands: string[];
  /** "unrecognized option '--nonsense'"; null when all are good. */
  problem: string | null;
}

export function parseOptions(options: readonly OptionSpec[], args: readonly string[]): ParsedOptions {
  const values = new Map<string, string>();
  const operands: string[] = [];
  const failed = (problem: string): ParsedOptions => ({ values, operands, problem });
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      operands.push(...rest);
      break;
    }
    if (word.startsWith("--")) {
      const [, name = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
      const option = findLong(options, name);
      if (typeof option === "string") return failed(option);
      if (option.argument === undefined && value !== undefined)
        return failed(`option '--${option.long}' doesn't allow an argument`);
      const argument = option.argument === undefined ? "" : (value ?? rest.shift());
      if (argument === undefined) return failed(`option '--${option.long}' requires an argument`);
      values.set(option.long, argument);
    } else if (word.startsWith("-") && word.length > 1) {
      for (let at = 1; at < word.length; at++) {
        const letter = word.charAt(at);
        const option = options.find(({ short }) => short === letter);
        if (option === undefined) return failed(`invalid option -- '${letter}'`);
        if (option.argument === undefined) {
          values.set(option.long, "");
          continue;
        }
        const argument = at + 1 < word.length ? word.slice(at + 1) : rest.shift();
        if (argument === undefined) return failed(`option requires an argument -- '${letter}'`);
        values.set(option.long, argument);
        break;
      }
    } else operands.push(word);
  }
  return { values, operands, problem: null };
}

function findLong(options: readonly OptionSpec[], name: string): OptionSpec | string {
  const fits = options.filter(({ long }) => long.startsWith(name));
  const exact = fits.find(({ long }) => long === name);
  const [only] = fits;
  if (exact !== undefined) return exact;
  if (only === undefined) return `unrecognized option '--${name}'`;
  if (fits.length === 1) return only;
  return `option '--${name}' is ambiguous; possibilities: ${fits.map(({ long }) => `'--${long}'`).join(" ")}`;
}

/** The page that the XDP tutorial's tools print. */
export function usagePage(tool: string, documentation: readonly string[], options: readonly OptionSpec[]): string {
  const row = ({ short, long, argument, help }: OptionSpec) => {
    const flags = `${short === undefined ? "    " : ` -${short},`} --${long}${argument === undefined ? "" : ` ${argument}`}`;
    return flags.padEnd(28) + help;
  };
  const required = options.filter((option) => option.required === true);
  const others = options.filter((option) => option.required !== true);
  return [
    `Usage: ${tool} [options]`,
    "",
    "DOCUMENTATION:",
    ` ${documentation.join("\n")}`,
    "",
    ...(required.length === 0 ? [] : ["Required options:", ...required.map(row), ""]),
    "Other options:",
    ...others.map(row),
    "",
  ].join("\n");
}
