import type { Mutant } from './mutant.ts'

/** Code and settings of the user’s that no text names. */
export const HIDDEN: readonly Mutant[] = [
  {
    guard: 'tables that a policy reads',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(policies.length === 0 ? {}',
    replace: '...(policies.length >= 0 ? {}',
    test: { spec: 'policies', title: 'a table that a policy reads is a dependency, and nothing else is' },
  },
  {
    guard: 'functions that a policy calls',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(calls.length === 0 ? {} : { calls }),',
    replace: '',
    test: { spec: 'policies', title: 'a function that a policy calls may read any table' },
  },
  {
    guard: 'columns that only a policy looks at',
    file: 'crates/core/src/read.rs',
    find: `*any |= behind(table, facts, dialect, cautions, &mut out);
            Columns::All`,
    replace: `*any |= behind(table, facts, dialect, cautions, &mut out);
            columns`,
    test: { spec: 'policies', title: 'a column that only a policy looks at counts as read' },
  },
  {
    guard: 'functions that a view calls',
    file: 'ts/kysely/introspect-postgres.ts',
    find: `const evaluates = type === 'v' || relation.rowSecurity`,
    replace: 'const evaluates = relation.rowSecurity',
    test: {
      spec: 'hidden-code',
      title: 'reading a view that calls a writing function drops what it writes, and no more',
    },
  },
  {
    guard: 'functions that a function calls',
    file: 'ts/kysely/introspect-postgres.ts',
    find: 'bodies: bodies.map(',
    replace: 'bodies: bodies.slice(0, 0).map(',
    test: { spec: 'hidden-code', title: 'a stable function that calls a writing one writes' },
  },
  {
    guard: 'functions of an aggregate, and of defaults of arguments',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(parts === null ? {} : { parts: [...new Set(parts)].sort() }),',
    replace: '',
    test: { spec: 'hidden-code', title: 'an aggregate writes what its functions write' },
  },
  {
    guard: 'functions called as a column',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(attribute ? { attribute } : {}),',
    replace: '',
    test: { spec: 'hidden-code', title: 'a function called as a column may write' },
  },
  {
    guard: 'functions of operators and casts',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(catalog.implicit.length === 0 ? {} : { implicit: catalog.implicit }),',
    replace: '',
    test: { spec: 'hidden-code', title: 'an operator of the user may write' },
  },
  {
    guard: 'functions of the checks of domains',
    file: 'ts/kysely/introspect-postgres.ts',
    find: '...(catalog.domains.length === 0 ? {}',
    replace: '...(catalog.domains.length >= 0 ? {}',
    test: { spec: 'hidden-code', title: 'the check of a domain may write, wherever a column has it in its type' },
  },
  {
    guard: 'functions in the conditions of triggers',
    file: 'ts/kysely/postgres-catalog.ts',
    find: `oid FROM pg_catalog.pg_trigger
`,
    replace: `oid FROM pg_catalog.pg_trigger WHERE false
`,
    test: {
      spec: 'hidden-code',
      title: 'defaults of arguments, conditions of triggers and variables of a domain may write',
    },
  },
  {
    guard: 'functions that change the schema',
    file: 'crates/core/src/dispatch.rs',
    find: 'if crate::hidden::changes_schema(self.sql, lexemes, self.context) {',
    replace: 'if crate::hidden::changes_schema(self.sql, lexemes, self.context) && lexemes.is_empty() {',
    test: { spec: 'hidden-code', title: 'the schema is looked at again after select make()' },
  },
  {
    guard: 'settings in the body of a trigger',
    file: 'crates/core/src/triggers.rs',
    find: `    settings(sql, &lexemes)?;
    let behind`,
    replace: '    let behind',
    test: { spec: 'settings', title: 'a trigger that writes after set local search_path = s2;' },
  },
  {
    guard: 'what else a text sets beside timeouts',
    file: 'ts/kysely/settings.ts',
    find: "return !/set_config|setseed|u&\"/i.test(sql.replaceAll(TIMEOUT_CALL, ''))",
    replace: "return sql !== sql.replaceAll(TIMEOUT_CALL, '')",
    test: { spec: 'settings', title: 'what sets only how long to wait changes no session' },
  },
  {
    guard: 'of several settings the one that means most',
    file: 'ts/kysely/settings.ts',
    find: 'return { name: (worst ?? calls[0]!).name,',
    replace: 'return { name: (worst === undefined ? calls[0]! : calls[0]!).name,',
    test: { spec: 'settings', title: 'only a query that is nothing but calls of set_config tells what it sets' },
  },
  {
    guard: 'several settings are local only if all are',
    file: 'ts/kysely/settings.ts',
    find: 'local: calls.every(({ local }) => local) }',
    replace: 'local: calls.some(({ local }) => local) }',
    test: { spec: 'settings', title: 'only a query that is nothing but calls of set_config tells what it sets' },
  },
  {
    guard: 'only a text that is nothing but settings tells of them',
    file: 'ts/kysely/settings.ts',
    find: 'if (!ONLY_CALLS.test(sql)) return',
    replace: 'if (!sql.match(ONE_CALL)) return',
    test: { spec: 'settings', title: 'only a query that is nothing but calls of set_config tells what it sets' },
  },
  {
    guard: 'settings that nobody knows may change what names mean',
    file: 'ts/kysely/settings.ts',
    find: 'changesNames: !VALUE_SETTINGS.test(plain) }',
    replace: `changesNames: plain === 'search_path' }`,
    test: { spec: 'settings', title: `not even vary covers set schema 's2'` },
  },
  {
    guard: 'casts of the user’s to text',
    file: 'ts/kysely/postgres-catalog.ts',
    find: 'WHEN EXISTS (SELECT FROM shown) AND',
    replace: 'WHEN false AND',
    test: { spec: 'comparisons', title: 'a cast of the user to text tells nothing of a value' },
  },
  {
    guard: 'an operator = of the user’s',
    file: 'ts/kysely/postgres-catalog.ts',
    find: 'WHEN EXISTS (SELECT FROM equal) AND (',
    replace: 'WHEN false AND (',
    test: { spec: 'comparisons', title: 'an operator = of the user for varchar decides which rows are meant' },
  },
  {
    guard: 'floats that are written with too few digits',
    file: 'ts/kysely/postgres-catalog.ts',
    find: `WHEN current_setting('extra_float_digits')::int <= 0
`,
    replace: `WHEN false
`,
    test: { spec: 'comparisons', title: 'too few digits do not hide that a float has changed' },
  },
  {
    guard: 'texts that a collation calls equal differ',
    file: 'crates/core/src/locked_images.rs',
    find: 'COLLATE {BYTES} IS DISTINCT FROM',
    replace: 'IS DISTINCT FROM {BYTES:.0}',
    test: {
      spec: 'locked-images',
      title: 'a collation that calls two texts equal does not hide that one has become the other',
    },
  },
  {
    guard: '= NULL means what it says',
    file: 'ts/kysely/introspect-postgres.ts',
    find: `if (settings['transform_null_equals'] === 'on') throw`,
    replace: `if (settings['transform_null_equals'] === 'never') throw`,
    test: { spec: 'comparisons', title: 'nothing is cached while = NULL means IS NULL' },
  },
]
