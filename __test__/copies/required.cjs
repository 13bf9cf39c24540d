// An application in CommonJS.
const kysely = require('kysely')
const cacheops = require('#cacheops')

void import('./smoke.mjs').then(({ smoke }) => smoke(kysely, cacheops))
