// An application in CommonJS.
const kysely = require('kysely')
const cacheops = require('#cacheops')

import('./smoke.mjs').then(({ smoke }) => smoke(kysely, cacheops))
