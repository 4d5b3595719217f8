/** `wirescript maps`: its verbs, options and examples. `../actions/maps.ts` and `../actions/map-entries.ts` do the work. */
import { Command, Option } from "commander";
import { SELECTOR, SELECTOR_HELP } from "../../runtime/selector.ts";
import type { DumpMapOptions, SetOptions, WatchOptions } from "../actions/map-entries.ts";
import { teach } from "../examples.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";
import { addVerbs } from "../verbs.ts";

export function mapsCommand(): Command {
  const command = new Command("maps").description("Look at and change the maps in the kernel, whoever made them. Needs root.");
  const others = [showCommand(), dumpCommand(), getCommand(), setCommand(), deleteCommand(), watchCommand()];
  addVerbs(command, listCommand(), ...others);
  return teach(
    command,
    [
      ["wirescript maps", "all maps: type, name, sizes, memory, who uses them"],
      ["wirescript maps dump xdp_stats_map", "all entries, decoded by their types; summed over the CPUs"],
      ["wirescript maps dump 17 --per-cpu --json", "each CPU's values, for scripts"],
      ["wirescript maps get flows 'src=10.0.0.1,port=53'", "one entry; a key of several fields"],
      ["wirescript maps set routes 10.0.0.0/8 '{\"ifindex\": 4}'", "a value as JSON"],
      ["wirescript maps delete /sys/fs/bpf/eth0/denied 192.0.2.1", "by the path of a pin"],
      ["wirescript maps watch xdp_stats_map", "what changes, live, until Ctrl-C"],
    ],
    [
      `A map is named as programs and links are. ${SELECTOR_HELP}`,
      "Keys and values are JSON, NAME=VALUE,… for a struct, a number, an address, or bytes in hexadecimal. In arrays of programs and",
      "maps of maps, values are programs and maps, named alike, in one word: 17, NAME, PATH, or 'name NAME'.",
    ].join("\n"),
  );
}

const ENTRY = "{ key, value, values }: of a per-CPU map value is the sum, and values has each CPU's";

function listCommand(): Command {
  return new Command("list")
    .description("list all maps (what maps does without a verb)")
    .option(
      "--json",
      "print JSON: [{ id, type, name, keySize, valueSize, maxEntries, flags, extra, memory, frozen, owner, btfId, programs, pins }]",
    )
    .action(async (options: { json?: boolean }) => {
      const { listMaps } = await import("../actions/maps.ts");
      await listMaps(options);
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("show one map, with the types of its keys and values")
    .argument("<map...>", SELECTOR)
    .usage("[options] MAP")
    .option("--json", "print JSON: as list, and { keyType, valueType }")
    .action(async (words: string[], options: { json?: boolean }) => {
      const { showMap } = await import("../actions/maps.ts");
      await showMap(words, options);
    });
}

function dumpCommand(): Command {
  return new Command("dump")
    .description("print all entries")
    .argument("<map...>", SELECTOR)
    .usage("[options] MAP")
    .option("--per-cpu", "each CPU's value instead of the sum")
    .option("--json", `print JSON: [${ENTRY}]`)
    .action(async (words: string[], options: DumpMapOptions) => {
      const { dumpMap } = await import("../actions/map-entries.ts");
      await dumpMap(words, options);
    });
}

function getCommand(): Command {
  return new Command("get")
    .description("print one entry")
    .argument("<map...>", `${SELECTOR}; then the key`)
    .usage("[options] MAP KEY")
    .option("--per-cpu", "each CPU's value instead of the sum")
    .option("--json", `print JSON: ${ENTRY}`)
    .action(async (words: string[], options: DumpMapOptions) => {
      const { getEntry } = await import("../actions/map-entries.ts");
      await getEntry(words, options);
    });
}

function setCommand(): Command {
  return new Command("set")
    .description("write an entry, in a per-CPU map for all CPUs; queues, stacks and Bloom filters take a value only")
    .argument("<map...>", `${SELECTOR}; then the key, and the value`)
    .usage("[options] MAP KEY VALUE | MAP VALUE")
    .addOption(new Option("--new", "only if there is no such key").conflicts("existing"))
    .addOption(new Option("--existing", "only if there is such a key"))
    .action(async (words: string[], options: SetOptions) => {
      const { setEntry } = await import("../actions/map-entries.ts");
      await setEntry(words, options);
    });
}

function deleteCommand(): Command {
  return new Command("delete")
    .description("delete an entry")
    .argument("<map...>", `${SELECTOR}; then the key`)
    .usage("[options] MAP KEY")
    .action(async (words: string[]) => {
      const { deleteEntry } = await import("../actions/map-entries.ts");
      await deleteEntry(words);
    });
}

function watchCommand(): Command {
  return new Command("watch")
    .description("print entries when they come, change and go, until Ctrl-C")
    .argument("<map...>", SELECTOR)
    .usage("[options] MAP")
    .addOption(new Option("-i, --interval <seconds>", "between two looks").argParser(positiveNumber).default(1))
    .addOption(new Option("-c, --count <looks>", "end after so many looks").argParser(wholePositive))
    .option("--json", "one JSON value a line for each change: { at, key, before, after }; null where there is none")
    .action(async (words: string[], options: WatchOptions) => {
      const { watchMap } = await import("../actions/map-entries.ts");
      await watchMap(words, options);
    });
}
