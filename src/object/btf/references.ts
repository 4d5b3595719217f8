/** Which types a type refers to, and the same type under other ids: what is needed to check, prune and merge type graphs. */
import type { BtfType } from "./types.ts";

/** Ids of the types that `type` refers to. */
export function referencedTypes(type: BtfType): number[] {
  switch (type.kind) {
    case "array":
      return [type.type, type.indexType];
    case "struct":
    case "union":
      return type.members.map((member) => member.type);
    case "func_proto":
      return [type.returnType, ...type.parameters.map((parameter) => parameter.type)];
    case "datasec":
      return type.variables.map((variable) => variable.type);
    case "int":
    case "enum":
    case "enum64":
    case "fwd":
    case "float":
      return [];
    default:
      return [type.type];
  }
}

/** The same type with every id replaced. */
export function renumber(type: BtfType, map: (id: number) => number): BtfType {
  switch (type.kind) {
    case "array":
      return { ...type, type: map(type.type), indexType: map(type.indexType) };
    case "struct":
    case "union":
      return { ...type, members: type.members.map((member) => ({ ...member, type: map(member.type) })) };
    case "func_proto":
      return {
        ...type,
        returnType: map(type.returnType),
        parameters: type.parameters.map((parameter) => ({ ...parameter, type: map(parameter.type) })),
      };
    case "datasec":
      return { ...type, variables: type.variables.map((variable) => ({ ...variable, type: map(variable.type) })) };
    case "int":
    case "enum":
    case "enum64":
    case "fwd":
    case "float":
      return type;
    default:
      return { ...type, type: map(type.type) };
  }
}
