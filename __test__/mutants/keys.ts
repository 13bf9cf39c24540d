import type { Mutant } from './mutant.ts'

/** What tells one result from another. */
export const KEYS: readonly Mutant[] = [
  {
    guard: 'the driver’s fingerprint in the key',
    file: 'ts/database.ts',
    find: 'return encodeContext([fingerprint, prefix, database === undefined ? started : undefined])',
    replace: 'return encodeContext([fingerprint === prefix, prefix, database === undefined ? started : undefined])',
    test: {
      spec: 'guards-keys',
      title: 'sqlite: two drivers that make different values of the same data share no results',
    },
  },
  {
    guard: 'the prefix in the key',
    file: 'ts/database.ts',
    find: 'return encodeContext([fingerprint, prefix, database === undefined ? started : undefined])',
    replace:
      'return encodeContext([fingerprint, fingerprint === prefix, database === undefined ? started : undefined])',
    test: { spec: 'switch', title: 'sqlite: a prefix separates applications on one store' },
  },
  {
    guard: 'vary in the key',
    file: 'ts/database.ts',
    find: 'return Buffer.concat([context, encodeContext([vary()])])',
    replace: 'return vary() === context ? undefined : context',
    test: { spec: 'switch', title: 'sqlite: vary is part of every key and asked at each read' },
  },
  {
    guard: 'the type of a parameter in the key',
    file: 'ts/parameters.ts',
    find: 'bigint: 5,',
    replace: 'bigint: 6,',
    test: { spec: 'guards-keys', title: 'sqlite: a bigint and its text have keys of their own' },
  },
  {
    guard: 'null and undefined are two',
    file: 'ts/parameters.ts',
    find: 'buffer[end++] = Tag.undefined',
    replace: 'buffer[end++] = Tag.null',
    test: { spec: 'guards-keys', title: 'sqlite: null and undefined have keys of their own' },
  },
  {
    guard: 'bytes are no text',
    file: 'ts/parameters.ts',
    find: 'buffer[end] = Tag.bytes',
    replace: 'buffer[end] = Tag.string',
    test: { spec: 'guards-keys', title: 'sqlite: bytes and their text have keys of their own' },
  },
  {
    guard: 'lone surrogates are themselves',
    file: 'ts/parameters.ts',
    find: 'if (value.isWellFormed()) {',
    replace: 'if (value.length > 0) {',
    test: { spec: 'guards-keys', title: 'sqlite: two lone surrogates have keys of their own' },
  },
  {
    guard: 'a parameter of a class has no encoding',
    file: 'ts/objects.ts',
    find: `throw new UnencodableParameter('a parameter is or has an instance of a class')`,
    replace: 'return textOfPlain(value, depth)',
    test: { spec: 'guards-keys', title: 'sqlite: an instance of a class has no key' },
  },
  {
    guard: 'a write’s parameters are those of its beginning',
    file: 'ts/parameters.ts',
    find: 'return Uint8Array.prototype.slice.call(buffer, INPUT_OFFSET, length)',
    replace: 'return buffer.subarray(INPUT_OFFSET, length)',
    test: {
      spec: 'guards-sharing',
      title: 'a write is described by its own parameters, whatever is written meanwhile',
    },
  },
  {
    guard: 'the identity of the database',
    file: 'ts/database.ts',
    find: 'const identity = config.database === undefined ? found.identity : `named:${config.database}`',
    replace: 'const identity = config.database === undefined ? found.view : `named:${config.database}`',
    test: { spec: 'seam', title: 'two databases in memory share nothing under one plugin object' },
  },
  {
    guard: 'a file by what it is, not by its path',
    file: 'ts/kysely/sqlite-identity.ts',
    find: 'return `sqlite:${found.dev}:${found.ino}:${(await knowsBirth()) ? found.birthtimeNs : path}`',
    replace: 'return `sqlite:${found.dev}:${path}`',
    test: { spec: 'session', title: 'SQLite: a file is the same database by a hard link' },
  },
  {
    guard: 'a file that is made anew is another database',
    file: 'ts/kysely/sqlite-identity.ts',
    find: '${(await knowsBirth()) ? found.birthtimeNs : path}',
    replace: '${(await knowsBirth()) ? 0 : path}',
    test: {
      spec: 'introspect',
      title: 'sqlite: a file is the same database by whatever path, and another once recreated',
    },
  },
]
