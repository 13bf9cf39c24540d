'use strict'

const { ENTITIES } = require('./schema/modules.cjs')
const { ENTITY_ROWS, PRODUCTS, TENANTS, USERS } = require('./seed.cjs')

/** Small numbers often: where a cache has its hits, and its dangers. */
function hot(random, n) {
  return 1 + Math.min(n - 1, Math.floor(n * random.next() ** 5))
}

const camel = (name) => name.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase())
const TABLES = ENTITIES.map(({ table }) => camel(table))
const STATUSES = ['new', 'open', 'held', 'shipped', 'closed']

const at = (step) => new Date(Date.UTC(2024, 0, 1) + step * 60_000)

/**
 * What the users of one tenant do. Each operation is drawn once and then done on every instance with the same arguments.
 *
 * @param draw tenant by what a client works on: all, or its own
 */
function operationsFor({ random, tenantOf }) {
  const { next } = { next: (n) => hot(random, n) }
  const product = (tenant) => (tenant - 1) * PRODUCTS + next(PRODUCTS)
  const user = (tenant) => (tenant - 1) * USERS + next(USERS)
  const entity = (tenant) => (tenant - 1) * ENTITY_ROWS + next(ENTITY_ROWS)
  const category = (tenant) => tenant * 100 + next(9)
  const table = () => TABLES[hot(random, TABLES.length) - 1]
  const status = () => random.pick(STATUSES)
  const price = () => (random.below(9000) / 100).toFixed(2)

  // [weight, name, what it draws → what it does with the services]
  const reads = [
    [
      6,
      'product',
      (t, p = product(t)) =>
        ({ catalog }) =>
          catalog.product(t, p),
    ],
    [
      4,
      'page',
      (t, c = random.chance(0.6) ? category(t) : undefined, n = next(2) - 1) =>
        ({ catalog }) =>
          catalog.page(t, c, n),
    ],
    [
      1,
      'after',
      (t, p = product(t)) =>
        ({ catalog }) =>
          catalog.after(t, p),
    ],
    [
      2,
      'count',
      (t) =>
        ({ catalog }) =>
          catalog.count(t),
    ],
    [
      1,
      'exists',
      (t, n = next(PRODUCTS + 2)) =>
        ({ catalog }) =>
          catalog.exists(t, `sku${n}`),
    ],
    [
      4,
      'with everything',
      (t, p = product(t)) =>
        ({ catalog }) =>
          catalog.withEverything(p),
    ],
    [
      2,
      'search',
      (t, words = random.pick(['thing', 'useful', 'number 3', 'fresh'])) =>
        ({ catalog }) =>
          catalog.search(t, words),
    ],
    [
      1,
      'by tag',
      (t, n = random.below(3)) =>
        ({ catalog }) =>
          catalog.byTag(t, `a${n}`),
    ],
    [
      1,
      'by attribute',
      (t, c = random.pick(['red', 'green'])) =>
        ({ catalog }) =>
          catalog.byAttribute(t, c),
    ],
    [
      2,
      'live',
      (t) =>
        ({ catalog }) =>
          catalog.live(t),
    ],
    [
      2,
      'tree',
      (t) =>
        ({ catalog }) =>
          catalog.tree(t * 100 + 1),
    ],
    [
      2,
      'on hand',
      (t, p = product(t)) =>
        ({ catalog }) =>
          catalog.onHand(p),
    ],
    [
      1,
      'stream',
      (t) =>
        ({ catalog }) =>
          catalog.all(t),
    ],
    [
      5,
      'order',
      (t, o = user(t)) =>
        ({ orders }) =>
          orders.order(t, o),
    ],
    [
      3,
      'of customer',
      (t, c = user(t)) =>
        ({ orders }) =>
          orders.ofCustomer(c),
    ],
    [
      2,
      'summaries',
      (t, s = status()) =>
        ({ orders }) =>
          orders.summaries(t, s),
    ],
    [
      3,
      'lines',
      (t, o = user(t)) =>
        ({ orders }) =>
          orders.lines(t, o),
    ],
    [
      2,
      'shipments',
      (t, o = user(t)) =>
        ({ orders }) =>
          orders.shipments(t, o),
    ],
    [
      2,
      'payments',
      (t, o = user(t)) =>
        ({ orders }) =>
          orders.payments(t, o),
    ],
    [
      2,
      'balance',
      (t) =>
        ({ orders }) =>
          orders.balance(t),
    ],
    [
      1,
      'statement',
      (t) =>
        ({ orders }) =>
          orders.statement(t),
    ],
    [
      2,
      'dashboard',
      (t) =>
        ({ orders }) =>
          orders.dashboard(t),
    ],
    [
      2,
      'recent',
      (t) =>
        ({ orders }) =>
          orders.recent(t),
    ],
    [
      1,
      'sales',
      (t) =>
        ({ orders }) =>
          orders.sales(t),
    ],
    [
      1,
      'net',
      (t) =>
        ({ orders }) =>
          orders.net(t),
    ],
    [
      5,
      'user',
      (t, u = user(t)) =>
        ({ people }) =>
          people.user(u),
    ],
    [
      3,
      'by email',
      (t, n = next(USERS)) =>
        ({ people }) =>
          people.byEmail(t, `user${n}@t${t}.org`),
    ],
    [
      1,
      'named',
      (t, u = user(t)) =>
        ({ people }) =>
          people.named(u),
    ],
    [
      2,
      'reports',
      (t, u = user(t)) =>
        ({ people }) =>
          people.reports(u),
    ],
    [
      3,
      'permissions',
      (t, u = user(t)) =>
        ({ people }) =>
          people.permissions(u),
    ],
    [
      3,
      'tenant',
      (t) =>
        ({ people }) =>
          people.tenant(t),
    ],
    [
      1,
      'sizes',
      () =>
        ({ people }) =>
          people.sizes(),
    ],
    [
      2,
      'statuses',
      () =>
        ({ people }) =>
          people.statuses(),
    ],
    [
      1,
      'notes',
      (t) =>
        ({ people }) =>
          people.notes(t),
    ],
    [
      1,
      'all notes',
      () =>
        ({ people }) =>
          people.allNotes(),
    ],
    [
      1,
      'queue sizes',
      () =>
        ({ people }) =>
          people.queueSizes(),
    ],
    [
      2,
      'counters',
      (t, a = random.below(4)) =>
        ({ people }) =>
          people.counters(a),
    ],
    [
      1,
      'history',
      (t, p = product(t)) =>
        ({ people }) =>
          people.history('products', p),
    ],
    [
      1,
      'audited',
      () =>
        ({ people }) =>
          people.audited(),
    ],
    [
      6,
      'entity',
      (t, n = table(), e = entity(t)) =>
        ({ entities }) =>
          entities.one(n, e),
    ],
    [
      4,
      'list',
      (t, n = table(), s = status()) =>
        ({ entities }) =>
          entities.list(n, t, s),
    ],
    [
      4,
      'discussion',
      (t, n = table(), e = entity(t)) =>
        ({ entities }) =>
          entities.discussion(n, e),
    ],
    [
      1,
      'thread',
      (t, n = table(), e = entity(t)) =>
        ({ entities }) =>
          entities.thread(n, e),
    ],
    [
      2,
      'owned',
      (t, n = table(), u = user(t)) =>
        ({ entities }) =>
          entities.owned(n, u),
    ],
    [
      1,
      'files',
      (t, n = table(), e = entity(t)) =>
        ({ entities }) =>
          entities.files(n, e),
    ],
  ]
  const writes = [
    [
      3,
      'reprice',
      (t, p = product(t), v = next(4), amount = price()) =>
        ({ catalog }) =>
          catalog.reprice(p, v, amount),
    ],
    [
      3,
      'rename',
      (t, p = product(t), n = random.below(50)) =>
        ({ catalog }) =>
          catalog.rename(p, `Thing ${n} fresh`),
    ],
    [
      1,
      'soft delete',
      (t, p = product(t), s = random.below(9999)) =>
        ({ catalog }) =>
          catalog.softDelete(p, at(s)),
    ],
    [
      2,
      'upsert',
      (t, n = next(PRODUCTS + 4), amount = price()) =>
        ({ catalog }) =>
          catalog.upsert({ tenantId: t, categoryId: null, sku: `sku${n}`, name: `Upserted ${n}`, price: amount }),
    ],
    [
      1,
      'bad price',
      (t) =>
        ({ catalog }) =>
          catalog.upsert({ tenantId: t, sku: 'bad', name: 'bad', price: '-1' }),
    ],
    [
      1,
      'import',
      (t, n = random.below(20)) =>
        ({ catalog }) =>
          catalog.importMany(
            Array.from({ length: 25 }, (_, i) => ({
              tenantId: t,
              categoryId: null,
              sku: `bulk${n + i}`,
              name: `Bulk ${i}`,
              price: '1.00',
            })),
          ),
    ],
    [
      2,
      'retag',
      (t, p = product(t), n = random.below(4)) =>
        ({ catalog }) =>
          catalog.retag(p, n === 3 ? [999_999] : Array.from({ length: n }, (_, i) => (t - 1) * 4 + i + 1)),
    ],
    [
      0.5,
      'move category',
      (t, c = category(t)) =>
        ({ catalog }) =>
          catalog.moveCategory(c, c > t * 100 + 1 ? t * 100 + 1 : null),
    ],
    [
      0.5,
      'renumber category',
      (t, c = category(t), n = random.below(9)) =>
        ({ catalog }) =>
          catalog.renumberCategory(c, t * 100 + 10 + n),
    ],
    [
      0.2,
      'delete category',
      (t, c = t * 100 + 5 + random.below(10)) =>
        ({ catalog }) =>
          catalog.deleteCategory(c),
    ],
    [
      0.3,
      'remove product',
      (t, p = (t - 1) * PRODUCTS + 6 + random.below(6)) =>
        ({ catalog }) =>
          catalog.remove(p),
    ],
    [
      3,
      'move stock',
      (t, p = product(t), n = random.between(-8, 8)) =>
        ({ catalog }) =>
          catalog.moveStock(t, p, n),
    ],
    [
      2,
      'visited',
      (t, p = product(t)) =>
        ({ catalog }) =>
          catalog.visited(t, p),
    ],
    [
      3,
      'place',
      (t, c = user(t), p = product(t), n = random.between(0, 3), amount = price(), s = random.below(9999)) =>
        ({ orders }) =>
          orders.place(
            t,
            c,
            at(s),
            Array.from({ length: 3 }, (_, i) => ({ productId: p + i, quantity: n + i, price: amount })),
          ),
    ],
    [
      2,
      'ship',
      (t, o = user(t)) =>
        ({ orders }) =>
          orders.ship(t, o, [t, 77, t]),
    ],
    [
      2,
      'pay',
      (t, o = user(t), amount = price()) =>
        ({ orders }) =>
          orders.pay(t, o, amount),
    ],
    [
      3,
      'change quantity',
      (t, o = user(t), l = next(3), n = random.below(6)) =>
        ({ orders }) =>
          orders.changeQuantity(t, o, l, n),
    ],
    [
      0.5,
      'renumber order',
      (t, o = user(t), n = random.below(9)) =>
        ({ orders }) =>
          orders.renumber(t, o, 100_000 + t * 100 + n),
    ],
    [
      0.3,
      'cancel',
      (t, o = (t - 1) * USERS + 5 + random.below(4)) =>
        ({ orders }) =>
          orders.cancel(t, o),
    ],
    [
      2,
      'annotate',
      (t, o = user(t), n = random.below(9)) =>
        ({ orders }) =>
          orders.annotate(t, o, `note ${n}`),
    ],
    [
      1,
      'book',
      (t, n = random.between(1, 99), y = random.between(2022, 2025)) =>
        ({ orders }) =>
          orders.book(`${y}-05-05`, t, String(n)),
    ],
    [
      0.5,
      'report',
      (t) =>
        ({ orders }) =>
          orders.report(t),
    ],
    [
      3,
      'seen',
      (t, u = user(t), s = random.below(9999)) =>
        ({ people }) =>
          people.seen(u, at(s)),
    ],
    [
      1,
      'set status',
      (t, u = user(t), s = status()) =>
        ({ people }) =>
          people.setStatus(u, s),
    ],
    [
      1,
      'invite',
      (t, n = random.below(40)) =>
        ({ people }) =>
          people.invite({ tenantId: t, email: n === 0 ? 'no address' : `guest${n}@t${t}.org`, name: `Guest ${n}` }),
    ],
    [
      1,
      'grant',
      (t, u = user(t), r = next(5)) =>
        ({ people }) =>
          people.grant(u, r, u),
    ],
    [
      0.2,
      'remove user',
      (t, u = (t - 1) * USERS + 6 + random.below(3)) =>
        ({ people }) =>
          people.removeUser(u),
    ],
    [
      1,
      'configure',
      (t, k = random.pick(['a', 'b']), n = random.below(9)) =>
        ({ people }) =>
          people.configure(t, k, n),
    ],
    [
      0.5,
      'add note',
      (t, other = random.chance(0.2) ? 1 : t) =>
        ({ people }) =>
          people.addNote(t, other, 'a note'),
    ],
    [
      1,
      'enqueue',
      (t, q = random.pick(['mail', 'report'])) =>
        ({ people }) =>
          people.enqueue(q, { tenant: t }),
    ],
    [
      1,
      'work',
      (t, q = random.pick(['mail', 'report']), fails = random.chance(0.3)) =>
        ({ people }) =>
          people.work(q, fails),
    ],
    [
      2,
      'exclusively',
      (t, a = next(16)) =>
        ({ people }) =>
          people.exclusively(t, a),
    ],
    [
      0.5,
      'rehearse',
      (t, u = user(t)) =>
        ({ people }) =>
          people.rehearse(u),
    ],
    [
      3,
      'create',
      (t, n = table(), u = user(t)) =>
        ({ entities }) =>
          entities.create(n, { tenantId: t, ownerId: u, title: 'created', amount: '7.5' }),
    ],
    [
      4,
      'retitle',
      (t, n = table(), e = entity(t), k = random.below(50)) =>
        ({ entities }) =>
          entities.retitle(n, e, `Title ${k}`),
    ],
    [
      1,
      'advance',
      (t, n = table(), from = status(), to = status()) =>
        ({ entities }) =>
          entities.advance(n, t, from, to),
    ],
    [
      1,
      'hand over',
      (t, n = table(), from = user(t), to = user(t)) =>
        ({ entities }) =>
          entities.handOver(n, from, to),
    ],
    [
      3,
      'comment',
      (t, n = table(), e = entity(t), u = user(t)) =>
        ({ entities }) =>
          entities.comment(n, { tenantId: t, entityId: e, authorId: u, body: 'said' }),
    ],
    [
      1,
      'label',
      (t, n = table(), e = entity(t), k = random.below(4)) =>
        ({ entities }) =>
          entities.label(n, e, (t - 1) * 4 + k + 1),
    ],
    [
      2,
      'merge',
      (t, n = table(), e = entity(t), k = random.below(9)) =>
        ({ entities }) =>
          entities.merge(n, e, { k }),
    ],
    [
      0.5,
      'remove entity',
      (t, n = table(), e = (t - 1) * ENTITY_ROWS + 3 + random.below(2)) =>
        ({ entities }) =>
          entities.remove(n, e),
    ],
    [
      0.5,
      'remove comment',
      (t, n = table(), e = entity(t)) =>
        ({ entities }) =>
          entities.removeComment(n, e),
    ],
    [
      0.3,
      'remove file',
      (t, u = user(t)) =>
        ({ entities }) =>
          entities.removeFile(u),
    ],
  ]
  /** What one tenant does to all. */
  const shared = [
    [
      1,
      'recode',
      (t, from = status(), to = status()) =>
        ({ people }) =>
          people.recode(from, to),
    ],
    [
      1,
      'add status',
      (t, s = status()) =>
        ({ people }) =>
          people.addStatus(s),
    ],
    [
      1,
      'remove status',
      (t, s = random.pick(['held', 'closed'])) =>
        ({ people }) =>
          people.removeStatus(s),
    ],
    [
      0.3,
      'remove tenant',
      () =>
        ({ people }) =>
          people.removeTenant(TENANTS),
    ],
  ]

  /** One operation: its name, and what it does with the services of an instance. */
  return function draw({ writing, sharedToo }) {
    const kinds = random.chance(writing) ? (sharedToo && random.chance(0.02) ? shared : writes) : reads
    const [, name, make] = random.weighted(kinds.map((entry) => [entry[0], entry]))
    const tenant = tenantOf(random)
    return { name, reads: kinds === reads, run: make(tenant) }
  }
}

module.exports = { hot, operationsFor }
