import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { PGlite } from '@electric-sql/pglite'
import test from 'ava'
import Database from 'better-sqlite3'
import { CompiledQuery, Kysely, SqliteDialect } from 'kysely'

import { introspect } from '../ts/kysely/introspect.ts'
import type { DatabaseFacts, RunSql, TableFacts } from '../ts/kysely/introspect.ts'

function table(found: DatabaseFacts, name: string, schema = found.facts.searchPath[0]): TableFacts {
  const matches = found.facts.tables.filter((each) => each.schema === schema && each.name === name)
  if (matches.length !== 1) throw new Error(`${matches.length} tables ${schema}.${name}`)
  return matches[0] as TableFacts
}

function names(found: DatabaseFacts): string[] {
  return found.facts.tables.map(({ schema, name }) => `${schema}.${name}`)
}

function kinds({ columns }: TableFacts): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, kind }) => [name, kind]))
}

// PostgreSQL

function pgliteRun(db: PGlite): RunSql {
  return async (sql, parameters = []) => (await db.query<Record<string, unknown>>(sql, [...parameters])).rows
}

let shared: PGlite | undefined
let queue: Promise<unknown> = Promise.resolve()

test.after.always(() => shared?.close())

/** One database for all, for starting one takes a second; whatever a test does in it is rolled back. */
function within<T>(sql: string, use: (run: RunSql, db: PGlite) => Promise<T>): Promise<T> {
  const turn = queue.then(async () => {
    const db = (shared ??= await PGlite.create())
    await db.exec('begin')
    try {
      await db.exec(sql)
      return await use(pgliteRun(db), db)
    } finally {
      await db.exec('rollback')
    }
  })
  queue = turn.catch(() => undefined)
  return turn
}

function postgres(sql: string): Promise<DatabaseFacts> {
  return within(sql, (run) => introspect('postgres', run))
}

test('postgres: columns and how they compare', async (t) => {
  const found = await postgres(`
    create type mood as enum ('ok', 'bad');
    create domain positive as int check (value > 0);
    create collation fold (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table t (
      i2 int2, i4 int4, i8 int8, n numeric(9, 2), f4 float4, f8 float8, b bool, u uuid, x text, v varchar(9), c char(3),
      m mood, d date, ts timestamp, tz timestamptz, a int[], j jsonb, p positive, ci text collate fold, na name,
      gone int, stored int generated always as (i4 * 2) stored, ident int generated always as identity);
    alter table t drop column gone;
    create table "Ünï ""quoted"" Näme" ("SELECT" text, "a'b""c\\d" int)`)
  t.deepEqual(kinds(table(found, 't')), {
    i2: 'int',
    i4: 'int',
    i8: 'int',
    n: 'numeric',
    f4: 'other',
    f8: 'float',
    b: 'bool',
    u: 'uuid',
    x: 'text',
    v: 'text',
    c: 'other',
    m: 'text',
    d: 'date',
    ts: 'other',
    tz: 'other',
    a: 'other',
    j: 'other',
    p: 'other',
    ci: 'other',
    na: 'other',
    stored: 'int',
    ident: 'int',
  })
  t.deepEqual(
    table(found, 't').columns.flatMap(({ name, generated }) => (generated ? name : [])),
    ['stored'],
  )
  t.deepEqual(kinds(table(found, 'Ünï "quoted" Näme')), { SELECT: 'text', 'a\'b"c\\d': 'int' })
  t.false(table(found, 't').rowid)
  t.deepEqual(found.facts.searchPath, ['public'])
  t.false(found.facts.attached)
  t.true(found.freshStatements)
})

test('postgres: virtual generated columns are generated', async (t) => {
  const found = await postgres('create table t (a int, b int generated always as (a + 1) virtual)')
  t.deepEqual(
    table(found, 't').columns.map(({ generated }) => generated),
    [false, true],
  )
})

test('postgres: dates are tracked under DateStyle ISO alone', async (t) => {
  const found = await postgres(`set datestyle to 'SQL, DMY'; create table t (d date)`)
  t.deepEqual(kinds(table(found, 't')), { d: 'other' })
})

test('postgres: keys', async (t) => {
  const found = await postgres(`
    create table t (
      id int, dropped int, a int, b text, c text, d text, e text, f int, g int, h int,
      unique (c) deferrable, unique nulls not distinct (h));
    alter table t drop column dropped, add primary key (id);
    create unique index on t (b, a) include (c);
    create unique index on t (a) where b is not null;
    create unique index on t (lower(b));
    create unique index on t (d collate "C");
    create unique index on t (e text_pattern_ops);
    create index on t (f)`)
  t.deepEqual(table(found, 't').keys, [['id'], ['h'], ['b', 'a']])
})

test('postgres: foreign keys and their actions', async (t) => {
  const found = await postgres(`
    create schema "Other";
    create table "Other"."Parent" (a int, b int, "C" int unique, primary key (b, a), unique (a, b));
    create table child (
      x int, y int, z int,
      foreign key (x, y) references "Other"."Parent" (a, b) match full on delete cascade on update set null,
      foreign key (z) references "Other"."Parent" ("C") on delete set default on update restrict)`)
  const parent = { schema: 'Other', name: 'Parent' }
  t.deepEqual(table(found, 'child').foreignKeys, [
    { columns: ['x', 'y'], parent, parentColumns: ['a', 'b'], onDelete: 'cascade', onUpdate: 'set_null' },
    { columns: ['z'], parent, parentColumns: ['C'], onDelete: 'set_default', onUpdate: 'none' },
  ])
  t.deepEqual(table(found, 'Parent', 'Other').foreignKeys, [])
})

test('postgres: triggers', async (t) => {
  const found = await postgres(`
    create schema "S p";
    create table t (id int primary key, body text, tsv tsvector, up int references t);
    create function "S p".log() returns trigger language plpgsql as $$ begin return null; end $$;
    create function pathed() returns trigger language plpgsql set search_path = "S p" as $$ begin return null; end $$;
    create function bare() returns trigger language plpgsql set search_path = '' as $$ begin return null; end $$;
    create trigger "A""trigger" after insert or delete on t for each row execute function "S p".log();
    create trigger stmt before truncate on t execute function "S p".log();
    create trigger tsv before insert or update on t for each row
      execute function tsvector_update_trigger(tsv, 'pg_catalog.english', body);
    create trigger off after insert on t for each row execute function "S p".log();
    alter table t disable trigger off;
    create trigger p after update of body on t for each row execute function pathed();
    create trigger q after update on t for each row execute function bare();
    create view v as select * from t;
    create trigger i instead of update on v for each row execute function "S p".log()`)
  const body = ' begin return null; end '
  const none = { insert: false, update: false, delete: false, before: false, instead: false }
  const log = { ...none, language: 'plpgsql', function: 'S p.log', source: body }
  const byName = (name: string) =>
    table(found, name).triggers.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  t.deepEqual(byName('t'), [
    { ...log, name: 'A"trigger', insert: true, delete: true },
    {
      ...none,
      name: 'p',
      update: true,
      language: 'plpgsql SET search_path',
      function: 'public.pathed',
      source: body,
    },
    { ...none, name: 'q', update: true, language: 'plpgsql', function: 'public.bare', source: body },
    { ...log, name: 'stmt', delete: true },
    {
      ...none,
      name: 'tsv',
      insert: true,
      update: true,
      before: true,
      language: 'internal',
      function: 'tsvector_update_trigger',
      source: 'tsvector_update_trigger_byid',
    },
  ])
  t.deepEqual(byName('v'), [{ ...log, name: 'i', update: true, instead: true }])
})

test('postgres: a default that calls a function is a trigger', async (t) => {
  const found = await postgres(`
    create table counters (n int);
    create function next_number() returns int language sql as 'update counters set n = n + 1 returning n';
    create function pure() returns int language sql immutable as 'select 1';
    create table invoice (id serial, number int default next_number(), other int default pure())`)
  t.deepEqual(table(found, 'invoice').triggers, [
    {
      name: 'default or check that calls public.next_number',
      insert: true,
      update: true,
      delete: false,
      before: false,
      instead: false,
      language: 'call',
      function: 'next_number',
      source: '',
    },
    {
      name: 'default or check that calls public.pure',
      insert: true,
      update: true,
      delete: false,
      before: false,
      instead: false,
      language: 'call',
      function: 'pure',
      source: '',
    },
  ])
})

test('postgres: views, materialised views and rules', async (t) => {
  const found = await postgres(`
    create table t (id int primary key, "N" text); create table u (id int);
    create view v as select "N" from t where exists (select from u where u.id = t.id);
    create view w as with x as (select * from v) select * from x;
    create materialized view m as select id from t;
    create view nothing as select 1 as one;
    create rule protect as on delete to u do instead nothing`)
  const base = (name: string) => table(found, name).base
  const [inT, inU] = [
    { schema: 'public', name: 't' },
    { schema: 'public', name: 'u' },
  ]
  t.deepEqual([table(found, 'v').kind, table(found, 'm').kind], ['view', 'materialized_view'])
  t.deepEqual(base('v'), [inT, inU])
  t.deepEqual(base('w'), [{ schema: 'public', name: 'v' }])
  t.deepEqual(base('m'), [inT])
  t.deepEqual(base('nothing'), [])
  t.deepEqual(kinds(table(found, 'v')), { N: 'text' })
  t.deepEqual([table(found, 't').rules, table(found, 'u').rules, table(found, 'v').rules], [false, true, false])
})

test('postgres: a tree of tables has one root, and the triggers and children of all', async (t) => {
  const found = await postgres(`
    create table part (id int, day int, primary key (id, day)) partition by range (day);
    create table part_1 partition of part for values from (0) to (10) partition by list (id);
    create table part_1_a partition of part_1 default;
    create table lone (id int) partition by hash (id);
    create table animal (id int primary key); create table pet (name text);
    create table dog () inherits (animal, pet);
    create function f() returns trigger language plpgsql as 'begin return null; end';
    create trigger on_leaf after insert on part_1_a for each row execute function f();
    create trigger on_root after delete on part for each row execute function f();
    create table child (id int, day int, foreign key (id, day) references part_1 on delete cascade)`)
  const part = { schema: 'public', name: 'part' }
  for (const name of ['part', 'part_1', 'part_1_a']) {
    t.is(table(found, name).kind, 'partitioned')
    t.deepEqual(table(found, name).root, part)
    t.deepEqual(
      table(found, name)
        .triggers.map((trigger) => trigger.name)
        .toSorted(),
      ['on_leaf', 'on_root'],
      'clones count once',
    )
  }
  t.deepEqual(table(found, 'part').keys, [['id', 'day']])
  const parents = table(found, 'child').foreignKeys.map(({ parent }) => parent.name)
  t.deepEqual(parents.toSorted(), ['part', 'part_1', 'part_1_a'])
  t.is(table(found, 'lone').kind, 'partitioned')
  t.is(table(found, 'lone').root, undefined)
  const roots = new Set(['animal', 'pet', 'dog'].map((name) => table(found, name).root?.name))
  t.deepEqual([...roots], ['animal'])
  t.deepEqual(table(found, 'animal').keys, [], 'a key of the parent is none of the tree')
})

test('postgres: foreign tables, and trees that hold one', async (t) => {
  const found = await postgres(`
    create foreign data wrapper w; create server s foreign data wrapper w;
    create foreign table far (id int) server s;
    create table part (id int) partition by list (id);
    create foreign table part_1 partition of part for values in (1) server s;
    create table part_2 partition of part for values in (2);
    create table near (id int)`)
  t.deepEqual(names(found), ['public.far', 'public.near'], 'what is partly elsewhere is unknown')
  t.is(table(found, 'far').kind, 'foreign')
})

test('postgres: row-level security and privileges', async (t) => {
  const sql = `
    create table t (id int, secret text, open text); alter table t enable row level security;
    create table hidden (id int);
    create role reader; grant select (id, open) on t to reader; set role reader`
  const found = await postgres(sql)
  t.true(table(found, 't').rowSecurity)
  t.false(table(found, 'hidden').rowSecurity)
  const readable = (name: string) => table(found, name).columns.map((column) => column.readable)
  t.deepEqual(readable('t'), [true, false, true])
  t.deepEqual(readable('hidden'), [false])
})

test('postgres: a role that may not ask which database it uses hears all the rest', async (t) => {
  const db = await PGlite.create()
  t.teardown(() => db.close())
  await db.exec(`create table t (id int); create role reader; grant select on t to reader; set role reader`)
  const allowed = await introspect('postgres', pgliteRun(db))
  await db.exec('reset role; revoke execute on function pg_control_system() from public; set role reader')
  const texts: string[] = []
  const refused = await introspect('postgres', (sql, parameters) => {
    texts.push(sql)
    return pgliteRun(db)(sql, parameters)
  })
  t.not(allowed.identity, '')
  // Without a name for it nobody may use this: see `postgres-sessions.spec.ts`.
  t.deepEqual(refused, { ...allowed, identity: '', changes: refused.changes })
  // All at once is refused, then the head; plain values, those that are sent, the catalogs and values of their types follow.
  t.is(texts.length, 7)
  t.is(texts.filter((text) => text.includes('pg_control_system()')).length, 2)
})

test('postgres: temporary tables', async (t) => {
  const sql = `
    create table t (id int);
    create temp table "Temp" (id int primary key); create temp view "tempview" as select * from t;
    create temp table logged (id int);
    create function f() returns trigger language plpgsql as 'begin return null; end';
    create trigger f after insert on logged for each row execute function f();`
  const found = await postgres(sql)
  t.deepEqual(names(found), ['pg_temp.Temp', 'public.t'], 'what cannot be followed is unknown')
  t.is(table(found, 'Temp', 'pg_temp').kind, 'temporary')
  t.deepEqual(found.facts.searchPath, ['public'])

  await t.throwsAsync(postgres(`${sql} create temp table t (id int)`), { message: /hides public\."t"/ })
  await t.notThrowsAsync(
    postgres(`${sql} create schema s; create table s."Temp" (id int)`),
    's is not in the search path',
  )
})

test('postgres: functions', async (t) => {
  const found = await postgres(`
    create function "F"(int) returns int language sql immutable as 'select 1';
    create function "F"(text) returns int language sql stable as 'select 1';
    create function g() returns int language sql as 'select 1';
    create function h() returns trigger language plpgsql as 'begin return null; end';
    create function step(int, int) returns int language sql volatile as 'select 1';
    create aggregate total(int) (sfunc = step, stype = int);
    create schema s; create function s.lower(text) returns text language sql immutable as 'select 1::text'`)
  const one = { language: 'sql', source: 'select 1' }
  t.deepEqual(found.facts.functions, [
    { name: 'F', volatility: 's', bodies: [one] },
    { name: 'g', volatility: 'v', bodies: [one] },
    { name: 'lower', volatility: 'i', bodies: [{ ...one, source: 'select 1::text' }] },
    { name: 'step', volatility: 'v', bodies: [one] },
    { name: 'total', volatility: 'v', parts: ['step'] },
  ])
})

test('postgres: the search path as the session resolves it', async (t) => {
  const found = await postgres(`
    create schema "Own"; create schema postgres; create table "Own".t (id int);
    set search_path to nowhere, "Own", "$user", public`)
  t.deepEqual(found.facts.searchPath, ['Own', 'postgres', 'public'])
  t.deepEqual(names(found), ['Own.t'])
})

test('postgres: identity and fingerprint', async (t) => {
  const [one, two] = await Promise.all([PGlite.create(), PGlite.create()])
  t.teardown(() => Promise.all([one.close(), two.close()]))
  const first = await introspect('postgres', pgliteRun(one))
  const second = await introspect('postgres', pgliteRun(two))
  t.not(first.identity, second.identity)
  t.is(first.fingerprint, second.fingerprint)
  t.deepEqual(await introspect('postgres', pgliteRun(one)), first)

  const parsed: RunSql = async (sql, parameters = []) => {
    return (
      await one.query<Record<string, unknown>>(sql, [...parameters], { parsers: { 20: (text) => `bigint ${text}` } })
    ).rows
  }
  const other = await introspect('postgres', parsed)
  t.is(other.identity, first.identity)
  t.deepEqual(other.facts, first.facts)
  t.not(other.fingerprint, first.fingerprint, 'another parser')

  await two.exec(`set timezone to 'Asia/Tokyo'; set default_transaction_isolation to 'repeatable read'`)
  const moved = await introspect('postgres', pgliteRun(two))
  t.not(moved.fingerprint, second.fingerprint, 'other settings')
  t.is(moved.identity, second.identity)
  t.false(moved.freshStatements)
})

test('postgres: three statements, fast with hundreds of tables', async (t) => {
  const sql = `do $$ begin for i in 1..300 loop
    execute format('create table t%s (id serial primary key, a int references t%s on delete cascade, b text unique)',
      i, greatest(1, i - 1)); end loop; end $$`
  await within(sql, async (run) => {
    let statements = 0
    await introspect('postgres', (...call) => {
      statements += 1
      return run(...call)
    })
    // Which database it is and what becomes of values, the catalogs, values of the types that they declare.
    t.is(statements, 3)
    const started = performance.now()
    const found = await introspect('postgres', run)
    const took = performance.now() - started
    t.log(`${took.toFixed(1)} ms`)
    t.is(found.facts.tables.length, 300)
    t.true(took < 2_000, 'no more than a smoke test: other work shares this machine')
  })
})

// SQLite

function sqliteRun(db: Database.Database): RunSql {
  return async (sql, parameters = []) => {
    const statement = db.prepare<unknown[], Record<string, unknown>>(sql)
    return statement.reader ? statement.all(...parameters) : (statement.run(...parameters), [])
  }
}

async function sqlite(sql: string, prepare?: (db: Database.Database) => void): Promise<DatabaseFacts> {
  const db = new Database(':memory:')
  try {
    prepare?.(db)
    db.exec(sql)
    return await introspect('sqlite', sqliteRun(db))
  } finally {
    db.close()
  }
}

test('sqlite: columns, affinities and collations', async (t) => {
  const found = await sqlite(`
    create table t (
      i INTEGER, big "UNSIGNED BIG INT", point FLOATING POINT, r REAL, d DOUBLE PRECISION, n DECIMAL(10, 5), b BOOLEAN,
      dt DATETIME, a ANY, c VARCHAR(20), tx TEXT, cl CLOB, bl BLOB, none,
      nc TEXT COLLATE NOCASE, rt TEXT COLLATE "rtrim", nn INTEGER COLLATE NOCASE, bi TEXT COLLATE Binary,
      twice TEXT COLLATE NOCASE NOT NULL COLLATE binary,
      dflt TEXT DEFAULT ('x' COLLATE NOCASE), chk TEXT CHECK (chk <> 'a' COLLATE NOCASE),
      "collate nocase, x" TEXT /* collate nocase, ( */ DEFAULT 'collate nocase', -- collate nocase )
      [Ünï "q" col] TEXT, \`tick\`\`s\` TEXT, 'str' TEXT,
      gv TEXT GENERATED ALWAYS AS (tx || 'v') VIRTUAL COLLATE NOCASE, gs INT AS (i * 2) STORED,
      CHECK (tx <> 'a' COLLATE NOCASE) CHECK (1))`)
  t.deepEqual(kinds(table(found, 't')), {
    i: 'sqlite_numeric',
    big: 'sqlite_numeric',
    point: 'sqlite_numeric',
    r: 'sqlite_numeric',
    d: 'sqlite_numeric',
    n: 'sqlite_numeric',
    b: 'sqlite_numeric',
    dt: 'sqlite_numeric',
    a: 'sqlite_numeric',
    c: 'sqlite_text',
    tx: 'sqlite_text',
    cl: 'sqlite_text',
    bl: 'other',
    none: 'other',
    nc: 'sqlite_text_nocase',
    rt: 'other',
    nn: 'other',
    bi: 'sqlite_text',
    twice: 'sqlite_text',
    dflt: 'sqlite_text',
    chk: 'sqlite_text',
    'collate nocase, x': 'sqlite_text',
    'Ünï "q" col': 'sqlite_text',
    'tick`s': 'sqlite_text',
    str: 'sqlite_text',
    // virtual: reading it may fail
    gv: 'other',
    gs: 'sqlite_numeric',
  })
  t.deepEqual(
    table(found, 't').columns.flatMap(({ name, generated }) => (generated ? name : [])),
    ['gv', 'gs'],
  )
  t.true(table(found, 't').columns.every(({ readable }) => readable))
  t.deepEqual(found.facts.searchPath, ['main'])
  t.false(found.freshStatements)
})

test('sqlite: collations are those that the database itself uses', async (t) => {
  const db = new Database(':memory:')
  t.teardown(() => db.close())
  db.exec(`
    create table t (a text, b text collate nocase, constraint c unique (a));
    alter table t add column d text collate nocase default 'x';
    alter table t rename column b to "b collate x";
    create table copy as select * from t;
    insert into t values ('a', 'a', 'a'); insert into copy values ('a', 'a', 'a')`)
  const found = await introspect('sqlite', sqliteRun(db))
  for (const name of ['t', 'copy']) {
    for (const column of table(found, name).columns) {
      const folds = db.prepare(`select count(*) from ${name} where "${column.name}" = 'A'`).pluck().get() === 1
      t.is(column.kind, folds ? 'sqlite_text_nocase' : 'sqlite_text', `${name}.${column.name}`)
    }
  }
})

test('sqlite: strict tables, WITHOUT ROWID and columns called rowid', async (t) => {
  const found = await sqlite(`
    create table s (i INT, a ANY, x TEXT COLLATE NOCASE) strict;
    create table w (a text primary key, b text) without rowid /* strict */;
    create table both (a text, b int, primary key (b, a)) strict, without rowid;
    create table "without rowid" ("strict" int);
    create table r (rowid text, id integer primary key);
    create table alias (RowId integer primary key)`)
  t.deepEqual(kinds(table(found, 's')), { i: 'sqlite_numeric', a: 'other', x: 'sqlite_text_nocase' })
  const rowid = (name: string) => table(found, name).rowid
  t.deepEqual(['s', 'w', 'both', 'without rowid', 'r', 'alias'].map(rowid), [true, false, false, true, false, true])
  t.deepEqual(table(found, 'both').keys, [['b', 'a']])
  t.deepEqual(table(found, 'w').keys, [['a']])
})

test('sqlite: keys', async (t) => {
  const found = await sqlite(`
    create table t (
      id integer primary key autoincrement, a text, b text collate nocase, c text, d text, e text, unique (b));
    create unique index "i x" on t (c, "a");
    create unique index partial on t (a) where b is not null;
    create unique index expression on t (lower(a));
    create unique index folded on t (d collate nocase);
    create index plain on t (e);
    create table down (id integer primary key desc); create table "T""2" ("I'd" text, primary key ("I'd"));
    create table keyless (a)`)
  t.deepEqual(table(found, 't').keys.map(String).toSorted(), ['b', 'c,a', 'id'])
  t.deepEqual(table(found, 'down').keys, [['id']])
  t.deepEqual(table(found, 'T"2').keys, [["I'd"]])
  t.deepEqual(table(found, 'keyless').keys, [])
  t.is(table(found, 'sqlite_sequence').kind, 'foreign')
})

test('sqlite: foreign keys', async (t) => {
  const found = await sqlite(`
    create table "Parent" (a text, "B" text, u int unique, primary key ("B", a));
    create table child (
      x text, y text, z int, self integer primary key, s int references child on delete set default,
      foreign key (x, y) references PARENT on delete cascade on update set null,
      foreign key (Z) references parent (U) on delete restrict on update no action,
      foreign key (z) references parent on delete cascade,
      foreign key (z) references nowhere on delete cascade)`)
  const parent = { schema: 'main', name: 'Parent' }
  t.deepEqual(
    table(found, 'child').foreignKeys.toSorted((left, right) =>
      String(left.columns) < String(right.columns) ? -1 : 1,
    ),
    [
      {
        columns: ['s'],
        parent: { schema: 'main', name: 'child' },
        parentColumns: ['self'],
        onDelete: 'set_default',
        onUpdate: 'none',
      },
      { columns: ['x', 'y'], parent, parentColumns: ['B', 'a'], onDelete: 'cascade', onUpdate: 'set_null' },
      { columns: ['z'], parent, parentColumns: ['u'], onDelete: 'none', onUpdate: 'none' },
    ],
    'one that does not fit its parent does nothing',
  )
})

test('sqlite: triggers', async (t) => {
  const texts = {
    plain: 'create trigger plain insert on t begin select 1; end',
    'o"f': `create trigger if not exists main."o""f" /* after */ after -- before
      update of id, "x" on t when new.x = 'instead of delete' begin delete from u; end`,
    before: 'create trigger before before delete on "t" begin select 1; end',
    if: 'CREATE TRIGGER [if] AFTER DELETE ON T begin select 1; end',
    view: 'create trigger view instead of update on v begin update t set x = new.x; end',
  }
  const found = await sqlite(`
    create table t (id integer primary key, x text); create table u (id); create view v as select * from t;
    ${Object.values(texts).join(';\n')};
    create temp trigger passing after insert on main.t begin select 1; end`)
  const brief = (name: string) =>
    Object.fromEntries(
      table(found, name).triggers.map((trigger) => [
        trigger.name,
        (['insert', 'update', 'delete', 'before', 'instead'] as const).filter((key) => trigger[key]).join(' '),
      ]),
    )
  t.deepEqual(brief('t'), {
    plain: 'insert before',
    'o"f': 'update',
    before: 'delete before',
    if: 'delete',
    passing: 'insert',
  })
  t.deepEqual(brief('v'), { view: 'update instead' })
  for (const { name, language, source } of table(found, 't').triggers) {
    t.is(language, 'sqlite')
    t.true(source.startsWith('CREATE'), name)
    t.true(source.toLowerCase().endsWith('end'), name)
  }
})

test('sqlite: views', async (t) => {
  const found = await sqlite(`
    create table t (id int, "N" text); create table doomed (id int);
    create view "V w" as select "N" as "Out", id from t; create view broken as select * from doomed;
    create view later as select * from "V w";
    drop table doomed`)
  t.is(table(found, 'V w').kind, 'view')
  t.deepEqual(kinds(table(found, 'V w')), { Out: 'other', id: 'other' })
  t.regex(table(found, 'V w').definition ?? '', /^CREATE VIEW "V w" as select/)
  t.deepEqual(names(found).toSorted(), ['main.V w', 'main.later', 'main.t'], 'a broken view is unknown')
  t.false(table(found, 'later').rowid)
})

test('sqlite: virtual tables and what belongs to them', async (t) => {
  const found = await sqlite(`
    create virtual table docs using fts5(body); create table docs_archive (id int); create table "sqlitish" (id)`)
  t.deepEqual(names(found).toSorted(), ['main.docs', 'main.docs_archive', 'main.sqlitish'])
  t.is(table(found, 'docs').kind, 'foreign')
  t.is(table(found, 'docs_archive').kind, 'table')
})

test('sqlite: temporary tables and attached databases', async (t) => {
  const db = new Database(':memory:')
  t.teardown(() => db.close())
  db.exec('create table t (id int); create temp table "Temp" (id integer primary key); create temp view tv as select 1')
  const found = await introspect('sqlite', sqliteRun(db))
  t.deepEqual(names(found).toSorted(), ['main.t', 'temp.Temp'])
  t.is(table(found, 'Temp', 'temp').kind, 'temporary')
  t.false(found.facts.attached)

  db.exec(`attach ':memory:' as aux1`)
  t.true((await introspect('sqlite', sqliteRun(db))).facts.attached)

  db.exec('create temp table T (id int)')
  await t.throwsAsync(introspect('sqlite', sqliteRun(db)), { message: /hides main\."T"/ })
})

test('sqlite: functions of the application', async (t) => {
  const found = await sqlite('', (db) => {
    db.function('Pure', { deterministic: true }, (value) => value)
    db.function('mixed', { deterministic: true }, () => 1)
    db.function('mixed', { varargs: true }, () => 1)
    db.function('lower', () => 'x')
  })
  const named = (name: string) => found.facts.functions.find((each) => each.name === name)
  t.deepEqual(named('pure'), { name: 'pure', volatility: 'i' })
  t.deepEqual(named('mixed'), { name: 'mixed', volatility: 'v', declaredWrites: [] })
  t.deepEqual(named('lower'), { name: 'lower', volatility: 'v', declaredWrites: [] })
  t.is(named('upper'), undefined)
})

test('sqlite: two databases in memory differ, two Kysely objects over one do not', async (t) => {
  const [one, two] = [new Database(':memory:'), new Database(':memory:')]
  t.teardown(() => (one.close(), two.close()))
  const kyselyRun = (database: Database.Database): RunSql => {
    const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) })
    return async (sql, parameters = []) =>
      (await db.executeQuery<Record<string, unknown>>(CompiledQuery.raw(sql, [...parameters]))).rows
  }
  const runs = [kyselyRun(one), kyselyRun(one), kyselyRun(two), sqliteRun(one)]
  const [a = '', b = '', c = '', d = ''] = await Promise.all(
    runs.map(async (run) => (await introspect('sqlite', run)).identity),
  )
  t.is(a, b)
  t.is(a, d)
  t.not(a, c)
  one.exec('create table t (id int); vacuum')
  t.is((await introspect('sqlite', sqliteRun(one))).identity, a)
})

test('sqlite: a file is the same database by whatever path, and another once recreated', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'introspect-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "it's.db")
  const identity = async (file: string): Promise<string> => {
    const db = new Database(file)
    try {
      db.exec('create table if not exists t (id int)')
      return (await introspect('sqlite', sqliteRun(db))).identity
    } finally {
      db.close()
    }
  }
  const first = await identity(path)
  t.is(await identity(join(folder, '.', '..', folder.split('/').at(-1) ?? '', "it's.db")), first)
  t.not(await identity(join(folder, 'other.db')), first)
  // Sooner or later a new file gets the number of one that is gone.
  const gone = new Set([first])
  const numbers = new Set([statSync(path).ino])
  for (let isUsedAgain = false; !isUsedAgain;) {
    rmSync(path)
    const again = await identity(path)
    t.false(gone.has(again))
    const { ino } = statSync(path)
    isUsedAgain = numbers.has(ino) || numbers.size === 200
    gone.add(again)
    numbers.add(ino)
  }
})

test('sqlite: fingerprints tell drivers apart, facts do not', async (t) => {
  const sql = `create table t (id integer primary key, x text collate nocase)`
  const [one, two] = [new Database(':memory:'), new DatabaseSync(':memory:')]
  t.teardown(() => (one.close(), two.close()))
  one.exec(sql)
  two.exec(sql)
  const better = await introspect('sqlite', sqliteRun(one))
  one.defaultSafeIntegers(true)
  const big = await introspect('sqlite', sqliteRun(one))
  const node = await introspect('sqlite', async (text, parameters = []) => {
    return two.prepare(text).all(...(parameters as string[]))
  })
  t.is(new Set([better.fingerprint, big.fingerprint, node.fingerprint]).size, 3)
  t.is(big.identity, better.identity)
  t.deepEqual(big.facts, better.facts)
  t.deepEqual(node.facts.tables, better.facts.tables)
})
