import type { Mutant } from './mutant.ts'

/** Which Kysely an instance is made of. */
export const COPIES: readonly Mutant[] = [
  {
    guard: 'an instance of a Kysely that is not extended is refused before it executes',
    file: 'ts/kysely/foreign.ts',
    find: `if (!isInExtendedCopy()) throw foreignKysely('')`,
    replace: '',
    test: {
      spec: 'kysely-copies',
      title: 'Kysely 0.29: an instance of a copy of 0.30 that nobody finds is refused before it executes anything',
    },
  },
  {
    guard: 'what such an instance has executed drops everything',
    file: 'ts/kysely/plugin.ts',
    find: 'invalidateAll(this.#instance, this.#everywhere(), true)\n    return Promise.reject(foreign)',
    replace: 'return Promise.reject(foreign)',
    test: {
      spec: 'kysely-copies',
      title: 'Kysely 0.29: an instance of a copy of 0.30 that nobody finds is refused before it executes anything',
    },
  },
  {
    guard: 'the build that `require` gives is extended, too',
    file: 'ts/kysely/copies.ts',
    find: 'return [entry, entry.replace(',
    replace: 'return [entry.replace(',
    test: { spec: 'kysely-copies', title: 'Kysely 0.28: every feature, imported.cjs' },
  },
  {
    guard: 'the build that `import` gives is extended, too',
    file: 'ts/kysely/copies.ts',
    find: ', entry.replace(COMMONJS_ENTRY, `$1esm$2`)]',
    replace: ']',
    test: {
      spec: 'kysely-copies',
      title: 'a linked package finds the copy of the application, though it resolves another',
    },
  },
  {
    guard: 'the copy that the application resolves is extended, too',
    file: 'ts/kysely/copies.ts',
    find: `return [import.meta.url, ...callers(), main === undefined ? join(process.cwd(), 'main') : realPath(main)]`,
    replace: 'return [import.meta.url, ...(main === undefined ? [join(process.cwd())] : [])].slice(0, 1)',
    test: {
      spec: 'kysely-copies',
      title: 'a linked package finds the copy of the application, though it resolves another',
    },
  },
  {
    guard: 'a copy that CommonJS has loaded is extended, too',
    file: 'ts/kysely/copies.ts',
    find: '.filter((file) => COMMONJS_EXECUTOR.test(file))',
    replace: '.filter((file) => file === COMMONJS_EXECUTOR.source)',
    test: { spec: 'kysely-copies', title: 'a copy that CommonJS has loaded is found wherever it lies' },
  },
  {
    guard: 'an adapter of another copy is known by its name',
    file: 'ts/kysely/driver.ts',
    find: 'constructor.name !== name && ',
    replace: '',
    test: { spec: 'kysely-copies', title: 'a copy that a dialect brings for itself is no fault' },
  },
  {
    guard: 'a driver that throws at once leaves no savepoint open',
    file: 'ts/kysely/connection.ts',
    find: 'executed = Promise.reject(error)',
    replace: 'throw error',
    test: {
      spec: 'kysely-copies',
      title: 'Kysely 0.28: nothing tells a result or an error from one without the plugin',
    },
  },
]
