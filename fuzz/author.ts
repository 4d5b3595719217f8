/**
 * Writes a random module that is well-typed: TypeScript accepts it, and so must the compiler and the verifier. What the language leaves
 * open is avoided: element views after the table was changed, numbers that differ from kernel to kernel.
 */
import {
  PREFIX,
  randomGlobal,
  randomMap,
  randomSetting,
  randomSpecialMap,
  randomStruct,
  scalarStruct,
} from "./declarations.ts";
import { Expressions } from "./expressions.ts";
import { MOST_TAILS } from "./hooks.ts";
import { Random } from "./random.ts";
import { leaves } from "./reachability.ts";
import { binary, cast, into, isInt, literal, placesIn, Scope } from "./scope.ts";
import { StatementAuthor } from "./statements.ts";
import {
  FLAVOURS,
  type Fn,
  flavourOf,
  type Global,
  type Int,
  isSigned,
  type MapDeclaration,
  type Module,
  type Parameter,
  type Program,
  type Statement,
  type Struct,
} from "./tree.ts";

/** Whether the module of `seed` has maps that are no tables, and does with them what can be done: one module in eight. */
function hasSpecialMaps(seed: number): boolean {
  return seed % 8 === 0;
}

/** The module that `seed` decides on. */
export function randomModule(seed: number): Module {
  const random = new Random(seed);
  const sizes = new Set<number>();
  const structs: Struct[] = [];
  for (let index = 0; index < random.between(1, 4); index++) structs.push(randomStruct(random, `S${index}`, structs, sizes));
  const hook = random.chance(15) ? "tc" : "xdp";
  const frags = hook === "xdp" && random.chance(10);
  const module: Module = {
    hook,
    frags,
    chain: [],
    tails: [],
    structs: [],
    byteSizes: [],
    settings: [],
    globals: [],
    maps: [],
    functions: [],
    body: [],
  };
  for (let index = 0; index < random.between(0, 3); index++)
    module.settings.push(randomSetting(random, `setting${index}`, structs, sizes));
  for (let index = 0; index < random.between(0, 3); index++)
    module.globals.push(randomGlobal(random, `global${index}`, structs, sizes));
  const keys = structs.filter(({ size }) => size <= 64);
  for (let index = 0; index < random.between(0, 3); index++) module.maps.push(randomMap(random, `map${index}`, keys));

  if (hasSpecialMaps(seed)) {
    for (let index = 0; index < random.between(1, 3); index++)
      module.maps.push(randomSpecialMap(random, `special${index}`, keys, hook));
  }

  const top = new Scope();
  for (const setting of module.settings) {
    if ("scalar" in setting) {
      const { name, scalar } = setting;
      const swapped = scalar.startsWith("be");
      top.ints.push({ name, flavour: flavourOf(scalar), signed: isSigned(scalar), mutable: false, swapped });
    } else if ("value" in setting) {
      const { name, value } = setting;
      top.views.push({ name, struct: value.struct, map: CONSTANTS, life: { alive: true }, readonly: true });
    } else top.bytes.push({ name: setting.name, size: setting.size, mutable: false });
  }
  for (const global of module.globals) declareGlobal(top, global);
  const expressions = new Expressions(random, structs, module.maps, sizes, hook);
  const author = new StatementAuthor(random, expressions);
  for (let index = 0; index < random.between(0, 3); index++) {
    const { fn, updates } = author.inFunction(() => randomFunction(random, author, expressions, top, `fn${index}`));
    module.functions.push(fn);
    top.functions.push({ fn, updates });
  }
  const program = (): Program => ({ d: "program", body: body(random, author, expressions, structs, top) });
  const kind = random.below(100);
  if (kind < 15) for (let index = 0; index < random.between(1, MOST_TAILS - 1); index++) module.tails.push(program());
  else if (kind < 27) for (let index = 0; index < random.between(1, 2); index++) module.chain.push(program());
  author.hasTails = module.tails.length > 0;
  module.body = program().body;
  const usesPrefix = module.maps.some(({ key, inner }) => (inner?.key ?? key) === PREFIX);
  module.structs = [...structs, ...(usesPrefix ? [PREFIX] : []), OUT].map((struct) => ({ ...struct, d: "struct" as const }));
  module.byteSizes = [...sizes];
  return module;
}

function declareGlobal(scope: Scope, global: Global): void {
  const { name } = global;
  if (global.g === "int") {
    scope.ints.push({ name, flavour: global.flavour, signed: isSigned(global.flavour), mutable: true });
  } else if (global.g === "bool") scope.bools.push({ name, mutable: true });
  else if (global.g === "bytes") scope.bytes.push({ name, size: global.size, mutable: true });
  else scope.views.push({ name, struct: global.struct, map: VARIABLES, life: { alive: true } });
}

/** Where the module's variables lie, in place of the name of a map. */
const VARIABLES = "the variables";

/** Where settings lie, in place of the name of a map. */
const CONSTANTS = "the constants";

/** What all that is alive at the end goes to: many values must be kept until there. */
const OUT: Struct = {
  name: "Out",
  scalar: false,
  size: 32,
  fields: [0, 1, 2, 3].map((index) => ({ name: `o${index}`, type: { kind: "scalar", scalar: "u64" }, offset: index * 8 })),
};

function finds({ name, value }: MapDeclaration): Fn["returns"] {
  return { struct: value, map: name };
}

function randomFunction(
  random: Random,
  author: StatementAuthor,
  { structs, tables: maps }: Expressions,
  top: Scope,
  name: string,
): Fn {
  const scope = top.inner();
  const parameters: Parameter[] = [];
  for (let index = 0; index < random.between(0, 3); index++) {
    const parameter = `${name}_${index}`;
    const kind = random.weighted<"int" | "view" | "record">([
      [5, "int"],
      [3, "view"],
      [1, "record"],
    ]);
    if (kind === "int") {
      const flavour = random.pick(FLAVOURS);
      parameters.push({ p: "int", name: parameter, flavour });
      scope.ints.push({ name: parameter, flavour, signed: flavour.startsWith("i"), mutable: true });
    } else if (kind === "view") {
      const struct = random.pick(structs);
      parameters.push({ p: "view", name: parameter, struct });
      // It may be an element of any map: such functions change no map.
      scope.views.push({ name: parameter, struct, map: "any", life: { alive: true } });
    } else {
      parameters.push({ p: "record", name: parameter, type: "" });
      scope.records.push(parameter);
    }
  }
  const returns = random.weighted<() => Fn["returns"]>([
    [5, () => random.pick(FLAVOURS)],
    [2, () => null],
    [2, () => ({ struct: random.pick(structs), map: null })],
    [maps.length > 0 ? 2 : 0, () => finds(random.pick(maps))],
  ])();
  // Object literals can be changed, which takes a function that is built in.
  const builds = parameters.some(({ p }) => p === "record")
    ? ([null, "inline"] as const)
    : ([null, "noinline", "noinline", "inline"] as const);
  const build = random.pick(builds);
  return { d: "function", name, parameters, returns, build, body: author.functionBody(scope, returns, random.between(1, 5)) };
}

function body(
  random: Random,
  author: StatementAuthor,
  expressions: Expressions,
  structs: readonly Struct[],
  top: Scope,
): Statement[] {
  const scope = top.inner();
  author.refuel();
  // Some programs take the packet apart before anything else, as most of those do that people write.
  const statements: Statement[] = random.chance(35) ? author.parse(scope) : [];
  const struct = random.chance(80) ? random.pick(structs) : scalarStruct("u64");
  statements.push(
    author.guard(scope, "start", { w: "at", struct, offset: literal(random.between(0, 20)), through: "at" }, "verdict"),
  );
  if (random.chance(50)) statements.push(...pressure(random, scope));
  statements.push(...author.block(scope, random.between(4, 14), { returns: "verdict" }));
  if (leaves(statements)) return statements;
  statements.push(
    author.guard(scope, "out", { w: "at", struct: OUT, offset: literal(random.between(0, 30)), through: "at" }, "verdict"),
  );
  statements.push(...sink(random, scope));
  statements.push({ s: "verdict", verdict: expressions.verdict(scope) });
  return statements;
}

/** More values at once than there are registers. */
function pressure(random: Random, scope: Scope): Statement[] {
  const places = scope.living().flatMap((view) => placesIn(view, isInt));
  if (places.length === 0) return [];
  return Array.from({ length: random.between(8, 16) }, (_, index): Statement => {
    const place = random.pick(places);
    const field: Int = {
      k: "field",
      place,
      signed: place.type.kind === "scalar" && isSigned(place.type.scalar),
      flavour: null,
    };
    const value = binary(random.pick(["+", "*", "^"]), field, literal(random.below(1000)));
    const name = `live${index}`;
    scope.ints.push({ name, signed: value.signed, flavour: null, mutable: false });
    return { s: "int", name, keyword: "const", annotation: null, wrap: null, value };
  });
}

function sink(random: Random, scope: Scope): Statement[] {
  const values: Int[] = [
    ...scope.ints.map(({ name, signed, flavour }): Int => ({ k: "name", name, signed, flavour })),
    ...scope.bools.map(({ name }): Int => choice(name)),
    ...scope.records.map((record): Int => ({ k: "record", record, path: ["a"], signed: false, flavour: null })),
  ];
  return OUT.fields.map((field, index): Statement => {
    const own = values.filter((_, at) => at % OUT.fields.length === index);
    const sum = own.reduce((left, right) => binary("^", binary("*", left, literal(31)), right), literal(random.below(100)));
    const place = { view: "out", path: [field.name], offset: field.offset, indexes: [], type: field.type };
    const target = { t: "field" as const, place, signed: false, wrap: "u64" as const };
    const value = into(sum.signed ? cast("u64", sum) : sum, "u64");
    return {
      s: "expression",
      value: { k: "assign", target, operator: random.pick([null, "^"]), value, signed: false, flavour: "mixed" },
    };
  });
}

function choice(name: string): Int {
  return { k: "choice", condition: { b: "name", name }, yes: literal(1), no: literal(0), signed: false, flavour: "mixed" };
}
