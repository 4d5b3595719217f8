/**
 * `wirescript lab`: the verbs and options of the XDP tutorial's test environment. One command with a verb as its argument, and not a
 * command for each verb, because options may stand before the verb, behind it, and behind the name. `../actions/lab.ts` does the work.
 */
import { Command, InvalidArgumentError } from "commander";
import type { LabOptions } from "../actions/lab.ts";
import { teach } from "../examples.ts";
import type { Finish } from "../finish.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";

const VERBS: readonly (readonly [string, string])[] = [
  ["setup", "make a lab: a namespace NAME, a device NAME outside, veth0 inside, addresses"],
  ["teardown", "take it away, with its programs and pins"],
  ["reset", "teardown and setup, with the same name and addresses"],
  ["exec -- COMMAND…", "run a command inside"],
  ["enter", "a shell inside"],
  ["ping", "ping the outside from inside, until Ctrl-C or --count"],
  ["load FILE", "wirescript load on the lab's device; its options after --"],
  ["unload", "wirescript unload on the lab's device"],
  ["stats", "wirescript stats of the lab's device"],
  ["redirect A B", "fill the maps of redirect-map.bpf.ts on two labs, so that their insides reach each other"],
  ["tcpdump", "tcpdump on the lab's device, or with --inner on veth0; its options after --"],
  ["status", "the selected lab, and all labs (st, sta)"],
  ["alias", "print a shell alias t for wirescript lab"],
];

export function labCommand(finish: Finish): Command {
  const command = new Command("lab")
    .description("Labs to try programs in: network namespaces with virtual devices, as the XDP tutorial has them. Needs root.")
    .usage("[options] VERB [arguments] [-- arguments of a child]")
    .argument("[verb]", "what to do, see below")
    .argument("[args...]")
    .option("-n, --name <name>", "the lab (default: the one that was set up last)", name)
    .option("-g, --gen-new", "setup: generate a name even if a lab is selected")
    .option("--legacy-ip", "setup: IPv4 besides IPv6 (labs with hosts have both); ping: IPv4 instead of IPv6")
    .option("--vlan", "setup: VLANs 1 and 2 besides; ping: the first VLAN")
    .option("--hosts <n>", "setup: a lab of that many hosts on a switch, see below", wholePositive)
    .option("--router", "setup --hosts: a router in the middle, each host on a network of its own")
    .option("--host <k>", "exec, enter, ping, tcpdump: at the host of that number", wholePositive)
    .option("--inner", "tcpdump: on veth0 inside")
    .option("-l, --loader <program>", "load, unload: by this program, called as xdp-loader is")
    .option("-s, --stats <program>", "stats: by this program, called as the tutorial's xdp_stats is")
    .option("-c, --count <pings>", "ping, stats: how many", wholePositive)
    .option("-i, --interval <seconds>", "ping, stats: from one to the next", positiveNumber)
    .option("--json", "status, stats: as JSON")
    .action(async (verb: string | undefined, args: string[], options: LabOptions) => {
      const { lab } = await import("../actions/lab.ts");
      finish(await lab(verb, args, options, command));
    });
  const width = Math.max(...VERBS.map(([verb]) => verb.length));
  command.addHelpText("after", ["", "Verbs:", ...VERBS.map(([verb, text]) => `  ${verb.padEnd(width)}  ${text}`)].join("\n"));
  return teach(
    command,
    [
      ["eval $(wirescript lab alias)", "from now on t stands for wirescript lab"],
      ["t setup -n test --legacy-ip", ""],
      ["t load -n test echo.bpf.ts", "the program on the outer device, which answers …"],
      ["t ping --count 3", "… these pings from inside"],
      ["t stats --count 1", "see them counted as XDP_TX"],
      ["t exec -n test -- ip address show veth0", ""],
      ["t status", ""],
      ["t teardown", ""],
      ["t setup -n office --hosts 4", "four hosts on a switch; then …"],
      ["t ping -n office", "… each pings each other one"],
      ["t exec -n office --host 2 -- ip address", "in the namespace of host 2, office-2"],
    ],
    "A lab with hosts has a namespace NAME in the middle, with the ports host1, host2, …, and a namespace NAME-1, NAME-2, … for each\n" +
      "host, with veth0. exec without --host is in the middle: t exec -n office -- wirescript load host1 echo.bpf.ts\n\n" +
      "Many labs can stand side by side. Their state is in ${TMPDIR:-/tmp}/xdp-tutorial-testlab. What a command inside sees as\n" +
      "/sys/fs/bpf is /sys/fs/bpf/NAME/inside, so that pins made inside stay until the lab goes.",
  );
}

function name(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("A lab's name cannot be empty.");
}
