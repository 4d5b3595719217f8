/** `wirescript balancer`: its verbs, options and examples. `../actions/balancer/` does the work. */
import { Command, Option } from "commander";
import type { ApiOptions } from "../actions/balancer/api.ts";
import type { ChangeOptions, DrainOptions } from "../actions/balancer/change.ts";
import type { EventsOptions } from "../actions/balancer/events.ts";
import type { TopOptions } from "../actions/balancer/top.ts";
import { teach } from "../examples.ts";
import { positiveNumber, wholeNumber, wholePositive } from "../numbers.ts";
import { addVerbs } from "../verbs.ts";
import { serveCommand } from "./balancer-serve.ts";

const CHANGED = "{ revision, dryRun, summary, changes, moved }";

export function balancerCommand(): Command {
  const command = new Command("balancer").description(
    "A layer-4 load balancer in XDP: run it, look at it, change it while packets flow.",
  );
  addVerbs(
    command,
    statusCommand(),
    serveCommand(),
    addCommand(),
    removeCommand(),
    setCommand(),
    drainCommand(),
    undrainCommand(),
    applyCommand(),
    diffCommand(),
    explainCommand(),
    eventsCommand(),
    liveCommand(),
    stopCommand(),
  );
  return teach(
    command,
    [
      ["wirescript balancer serve balancer.yaml", "run it, with what a document says"],
      ["wirescript balancer status", "services and backends: health, shares, counters"],
      ["wirescript balancer add web 192.0.2.1:80/tcp", "a service"],
      ["wirescript balancer add web/b1 10.0.0.2:8080 weight=50", "a backend of it"],
      ["wirescript balancer set web check.type=http check.path=/ok", "how its backends are checked"],
      ["wirescript balancer drain web/b1 --dry-run", "how many slots would move; nothing changes"],
      ["wirescript balancer drain web/b1", "no new connections; those that there are stay"],
      ["wirescript balancer diff balancer.yaml", "what a document would change"],
      ["wirescript balancer apply balancer.yaml", "make it so"],
      ['wirescript balancer explain "198.51.100.7:40000 > 192.0.2.1:80/tcp"', "where a connection goes, and why"],
      ["wirescript balancer top", "packets per second, live"],
    ],
    [
      "All verbs but serve talk to the service over HTTP, at http://127.0.0.1:9092 or where --api or WIRESCRIPT_BALANCER_API says. A token comes from",
      "--token-file or WIRESCRIPT_BALANCER_TOKEN.",
    ].join("\n"),
  );
}

/** With the options that every verb has. `json` says what it prints. */
function verb(name: string, description: string, json: string): Command {
  return new Command(name)
    .description(description)
    .option("--api <url>", "where the balancer's API is (default: http://127.0.0.1:9092)")
    .option("--token-file <file>", "the file with the API's token")
    .option("--json", `print JSON: ${json}`);
}

function changing(name: string, description: string): Command {
  return verb(name, description, CHANGED).option("--dry-run", "only say what would change, and how many slots would move");
}

function statusCommand(): Command {
  return verb(
    "status",
    "show devices, services and backends (what balancer does without a verb)",
    "what the API answers for /status",
  )
    .argument("[service]", "only this one")
    .action(async (service: string | undefined, options: ApiOptions) => {
      const { status } = await import("../actions/balancer/status.ts");
      await status(service, options);
    });
}

function addCommand(): Command {
  const command = changing("add", "add a service, or a backend to one")
    .argument("<name>", "SERVICE, or SERVICE/BACKEND")
    .argument("<address>", "of a service ADDRESS:PORT/tcp or /udp (`all` for all ports), of a backend ADDRESS or ADDRESS:PORT")
    .argument("[fields...]", "FIELD=VALUE")
    .action(async (name: string, address: string, fields: string[], options: ChangeOptions) => {
      const { add } = await import("../actions/balancer/change.ts");
      await add(name, address, fields, options);
    });
  return teach(command, [
    ["wirescript balancer add web 192.0.2.1:80/tcp mode=ipip", "a service that tunnels"],
    ["wirescript balancer add dns '[2001:db8::1]:53/udp' affinity=source", "all of a client with the same backend"],
    ["wirescript balancer add web/b1 10.0.0.2:8080 weight=50", "a backend of web, called b1"],
    ["wirescript balancer add web 10.0.0.3", "one that is called by its address"],
  ]);
}

function removeCommand(): Command {
  const command = changing("remove", "remove a service with its backends, or a backend; its connections go to the others")
    .argument("<name>", "SERVICE, or SERVICE/BACKEND")
    .action(async (name: string, options: ChangeOptions) => {
      const { remove } = await import("../actions/balancer/change.ts");
      await remove(name, options);
    });
  return teach(command, [["wirescript balancer remove web/b1", "drain it first, and nobody notices"]]);
}

function setCommand(): Command {
  const command = changing("set", "set fields of a service or a backend, or of the balancer as a whole")
    .argument("<words...>", "[SERVICE | SERVICE/BACKEND] FIELD=VALUE…")
    .usage("[options] [NAME] FIELD=VALUE...")
    .action(async (words: string[], options: ChangeOptions) => {
      const { set } = await import("../actions/balancer/change.ts");
      await set(words, options);
    });
  return teach(
    command,
    [
      ["wirescript balancer set web/b1 weight=50", "half the share of one with the usual 100"],
      ["wirescript balancer set web check.type=http 'check.status=[200,204]'", "fields within a field, and a list"],
      ["wirescript balancer set web check=", "put a field back to its default: no checks"],
      ["wirescript balancer set mtu=9000", "of the balancer as a whole"],
    ],
    "The fields are those of the API: see http://127.0.0.1:9092/docs.",
  );
}

function drainCommand(): Command {
  return changing("drain", "let a backend keep its connections, and give it no new ones")
    .argument("<backend>", "SERVICE/BACKEND")
    .addOption(new Option("--seconds <n>", "after so long its connections end too").argParser(wholeNumber))
    .action(async (backend: string, options: DrainOptions) => {
      const { drain } = await import("../actions/balancer/change.ts");
      await drain(backend, options);
    });
}

function undrainCommand(): Command {
  return changing("undrain", "give a backend new connections again")
    .argument("<backend>", "SERVICE/BACKEND")
    .action(async (backend: string, options: ChangeOptions) => {
      const { undrain } = await import("../actions/balancer/change.ts");
      await undrain(backend, options);
    });
}

function applyCommand(): Command {
  return changing("apply", "make the balancer what a document says; only what differs is changed")
    .argument("<file>", "YAML or JSON; - for the standard input")
    .action(async (file: string, options: ChangeOptions) => {
      const { apply } = await import("../actions/balancer/document.ts");
      await apply(file, options);
    });
}

function diffCommand(): Command {
  return verb("diff", "say what a document would change, and how many slots would move", CHANGED)
    .argument("<file>", "YAML or JSON; - for the standard input")
    .action(async (file: string, options: ApiOptions) => {
      const { diff } = await import("../actions/balancer/document.ts");
      await diff(file, options);
    });
}

function explainCommand(): Command {
  const command = verb(
    "explain",
    "say where a connection's packets go, and why",
    "{ service, backend, by, slot, hash, natPort, idleSeconds, steps }",
  )
    .argument("<connection>", '"CLIENT:PORT > ADDRESS:PORT/tcp", or /udp')
    .action(async (connection: string, options: ApiOptions) => {
      const { explain } = await import("../actions/balancer/explain.ts");
      await explain(connection, options);
    });
  return teach(command, [
    ['wirescript balancer explain "198.51.100.7:40000 > 192.0.2.1:80/tcp"', "whether the connection is there or not"],
    ['wirescript balancer explain "[2001:db8::7]:40000 > [2001:db8::1]:53/udp"', "IPv6"],
  ]);
}

function eventsCommand(): Command {
  return verb("events", "show what happens, as it happens. Ends with Ctrl-C", "one event a line: { at, type, … }")
    .option("--recent", "begin with the latest ones")
    .addOption(new Option("-c, --count <events>", "end after so many events").argParser(wholePositive))
    .action(async (options: EventsOptions) => {
      const { events } = await import("../actions/balancer/events.ts");
      await events(options);
    });
}

function liveCommand(): Command {
  return verb(
    "top",
    "show packets per second by service and backend, live. Ends with Ctrl-C",
    "one value a line for each look: { seconds, rows: [{ service, backend, packetsPerSecond, … }], reasons }",
  )
    .addOption(new Option("-i, --interval <seconds>", "between two looks").argParser(positiveNumber).default(1))
    .addOption(new Option("-c, --count <looks>", "end after so many looks").argParser(wholePositive))
    .action(async (options: TopOptions) => {
      const { top } = await import("../actions/balancer/top.ts");
      await top(options);
    });
}

function stopCommand(): Command {
  return verb("stop", "end the service; packets are forwarded as before", "{ stopping, detach }")
    .option("--detach", "take the programs off the devices too, and forward nothing any more")
    .action(async (options: ApiOptions & { detach?: boolean }) => {
      const { stop } = await import("../actions/balancer/stop.ts");
      await stop(options);
    });
}
