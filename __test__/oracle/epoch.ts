import type { EngineName, EngineOptions } from './engines.ts'
import { Random } from './random.ts'
import type { Read } from './read-parts.ts'
import { makeReads } from './reads.ts'
import { makeSchema } from './schema.ts'
import type { Step } from './stage.ts'
import { makeSteps } from './steps.ts'
import type { Schema } from './tables.ts'
import { dialectOf } from './values.ts'
import type { DatabaseName, Target } from './values.ts'

export interface EpochSpec {
  readonly database: DatabaseName
  /** of PostgreSQL */
  readonly version: number
  readonly seed: number
  readonly engine: EngineName
  readonly steps: number
  readonly reads: number
  /** how many reads are compared after a step; all of them at the end */
  readonly sample: number
  /** steps whose labels match are left out: what is known already must not hide what is not */
  readonly skip: RegExp | undefined
}

/** Everything random of an epoch, chosen. */
export interface Epoch {
  readonly spec: EpochSpec
  readonly schema: Schema
  readonly reads: readonly Read[]
  readonly steps: readonly Step[]
  readonly options: EngineOptions & {
    readonly file: boolean
    readonly node: boolean
    readonly camel: 'no' | 'before' | 'after'
    readonly connections: number
  }
}

export function makeEpoch(spec: EpochSpec): Epoch {
  const random = new Random(spec.seed)
  const common = {
    automatic: random.chance(0.3),
    listening: random.chance(0.85),
    tiny: random.chance(0.08),
    file: random.chance(0.15),
    camel: random.weighted([
      [8, 'no'],
      [1, 'before'],
      [1, 'after'],
    ] as const),
    varies: random.chance(0.15),
    node: random.chance(0.25),
  }
  const server = spec.database === 'pg' || spec.database === 'postgres.js'
  const connections = server ? random.pick([1, 2, 4]) : 1
  const target: Target = {
    dialect: dialectOf(spec.database),
    version: spec.version,
    server,
    pooled: connections > 1,
    kills: spec.database === 'pg',
  }
  const schema = makeSchema(random.fork(), target, common.camel !== 'no' || random.chance(0.3))
  const options = {
    ...common,
    connections,
    profiles: random.chance(0.3) ? makeProfiles(random.fork(), schema, common.automatic) : {},
  }
  const reads = makeReads(random.fork(), schema, spec.reads, options.automatic)
  const steps = makeSteps(random.fork(), schema, spec.steps, Object.keys(options.profiles))
  return { spec, schema, reads, steps, options }
}

/** Tables that are never cached, only for some operations, or for seconds. */
function makeProfiles(random: Random, { tables }: Schema, automatic: boolean): EngineOptions['profiles'] {
  return Object.fromEntries(
    random
      .sample(tables, random.between(1, 2))
      .map(({ name }) => [
        name,
        random.pick([
          null,
          { timeout: 3600 },
          ...(automatic
            ? [{ ops: 'get' as const }, { ops: ['fetch' as const, 'count' as const], timeout: 1000 }, {}]
            : []),
        ]),
      ]),
  )
}

export interface Selection {
  readonly steps: readonly number[]
  readonly reads: readonly number[]
}

export function allOf(epoch: Epoch): Selection {
  const { skip } = epoch.spec
  return {
    steps: [...epoch.steps.keys()].filter((index) => skip?.test(epoch.steps[index]!.label) !== true),
    reads: [...epoch.reads.keys()],
  }
}
