// An application of ECMAScript modules.
import * as kysely from 'kysely'

import * as cacheops from '#cacheops'
import { smoke } from './smoke.mjs'

await smoke(kysely, cacheops)
