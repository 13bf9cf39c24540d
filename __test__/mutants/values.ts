import type { Mutant } from './mutant.ts'

/** Parameters that are not what they look like, and rows that are more. */
export const VALUES: readonly Mutant[] = [
  {
    guard: 'what was read with parameters that changed is not kept',
    file: 'ts/read.ts',
    find: 'if (!areUnchanged(this.#parameters, this.#snapshot)) {',
    replace: 'if (this.#snapshot === undefined && !areUnchanged(this.#parameters, this.#snapshot)) {',
    test: {
      spec: 'parameters',
      title: 'sqlite: a Buffer that is reused during a read does not spoil the entry of what it was',
    },
  },
  {
    guard: 'methods on a parameter itself',
    file: 'ts/objects.ts',
    find: `own['toString'] === made['toString'] &&`,
    replace: '',
    test: {
      spec: 'parameters',
      title: `postgres: bytes with a method of their own: neither is answered with the other's result`,
    },
  },
  {
    guard: 'methods on a Date itself',
    file: 'ts/parameters.ts',
    find: `if (!isAsMade(value)) throw new UnencodableParameter('a parameter is a Date with a method of its own')`,
    replace: '',
    test: {
      spec: 'parameters',
      title: `postgres: a Date with a method of its own: neither is answered with the other's result`,
    },
  },
  {
    guard: 'a subclass of Date is no Date',
    file: 'ts/parameters.ts',
    find: 'if (prototype === Date.prototype) encodeDate(value as Date)',
    replace: 'if (types.isDate(value)) encodeDate(value)',
    test: { spec: 'parameters', title: `postgres: a subclass of Date: neither is answered with the other's result` },
  },
  {
    guard: 'a hole in an array is not undefined',
    file: 'ts/objects.ts',
    find: 'Array.isArray(value) ? isDense(value) : isPlainBytes(value)',
    replace: 'Array.isArray(value) || isPlainBytes(value)',
    test: { spec: 'parameters', title: `postgres: an array with a hole: neither is answered with the other's result` },
  },
  {
    guard: 'other bytes are no Buffer',
    file: 'ts/parameters.ts',
    find: 'else if (prototype === Buffer.prototype) encodeBytes(value as Buffer)',
    replace: 'else if (types.isUint8Array(value)) encodeBytes(value as Buffer)',
    test: {
      spec: 'parameters',
      title: `postgres: a Buffer and other bytes: neither is answered with the other's result`,
    },
  },
  {
    guard: 'objects with functions have no key',
    file: 'ts/objects.ts',
    find: 'throw new UnencodableParameter(`a parameter is or has a ${typeof value}`)',
    replace: 'return typeof value',
    test: {
      spec: 'parameters',
      title: `postgres: objects with their own toString(): neither is answered with the other's result`,
    },
  },
  {
    guard: 'a parameter that cannot even be looked at is no fault',
    file: 'ts/parameters.ts',
    find: `throw new UnencodableParameter('a parameter cannot be read', { cause: error })`,
    replace: 'throw error',
    test: {
      spec: 'parameters',
      title: 'sqlite: a Proxy that throws as parameter is answered as without the plugin, and is no fault',
    },
  },
  {
    guard: 'lists of rows with properties of their own are not kept',
    file: 'ts/rows.ts',
    find: `if (Object.isFrozen(rows) || Reflect.ownKeys(rows).length !== rows.length + 1) return 'an unusual list of rows'`,
    replace: '',
    test: { spec: 'rows', title: 'what a dialect makes of its rows is not lost: a list with a property' },
  },
  {
    guard: 'rows with getters or fixed properties are not kept',
    file: 'ts/rows.ts',
    find: 'columns.every(({ enumerable, writable, configurable }) => enumerable && writable && configurable)',
    replace: 'columns.every(({ enumerable }) => enumerable)',
    test: { spec: 'rows', title: 'what a dialect makes of its rows is not lost: a getter' },
  },
  {
    guard: 'rows with hidden properties are not kept',
    file: 'ts/rows.ts',
    find: `return usual ? undefined : 'rows with unusual properties'`,
    replace: 'return usual ? undefined : undefined',
    test: { spec: 'rows', title: 'what a dialect makes of its rows is not lost: a hidden property' },
  },
  {
    guard: 'bytes that have their memory to themselves keep it',
    file: 'ts/rows.ts',
    find: 'if (prototype === Buffer.prototype) return copyBuffer(value as Buffer)',
    replace: 'if (prototype === Buffer.prototype) return Buffer.from(value as Buffer)',
    test: { spec: 'rows', title: 'bytes that have their memory to themselves have so on a hit' },
  },
  {
    guard: 'a driver that changes texts',
    file: 'ts/kysely/postgres-values.ts',
    find: 'const changed = TEXTS.find((text, at) => row[`$cacheops$n${at}`] !== text)',
    replace: 'const changed = TEXTS.find((text, at) => row[`$cacheops$n${at}`] !== text && at < 0)',
    test: {
      spec: 'parsers',
      title: 'pg: a parser of texts hides what was written: nothing is cached, and it is said why',
    },
  },
  {
    guard: 'a driver that changes parameters',
    file: 'ts/kysely/postgres-values.ts',
    find: `row[\`$cacheops$p\${at}\`] !== '1')`,
    replace: `row[\`$cacheops$p\${at}\`] === undefined)`,
    test: {
      spec: 'parsers',
      title: 'postgres.js: a serializer that changes what a condition means: nothing is cached',
    },
  },
  {
    guard: 'types of the schema are sampled',
    file: 'ts/kysely/postgres-values.ts',
    find: 'samples.length === 0 ? null :',
    replace: 'samples.length >= 0 ? null :',
    test: { spec: 'parsers', title: 'pg: two pools with other parsers for a type never share rows' },
  },
  {
    guard: 'values of other types are not those of the schema’s',
    file: 'ts/kysely/postgres-values.ts',
    find: 'JSON.stringify(answered.samples) === JSON.stringify(samples)',
    replace: 'JSON.stringify(answered.samples) !== JSON.stringify(undefined)',
    test: { spec: 'parsers', title: 'pg: two pools with other parsers for a type never share rows' },
  },
  {
    guard: 'types of which no value is known',
    file: 'ts/kysely/postgres-values.ts',
    find: 'const own = unsampled || received === undefined ?',
    replace: 'const own = received === undefined ?',
    test: {
      spec: 'parsers',
      title: 'pg: two pools with other parsers for a type of which no value is known never share rows',
    },
  },
  {
    guard: 'what a driver sends is part of the key',
    file: 'ts/kysely/postgres-values.ts',
    find: 'return fingerprintOf({ received, sent, own }, null)',
    replace: 'return fingerprintOf({ received, own }, null)',
    test: { spec: 'parsers', title: 'postgres.js: two pools with other serializers never share rows' },
  },
]
