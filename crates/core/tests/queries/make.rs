//! Makes random queries that both databases would take.

use cacheops_core::schema::Dialect;

use crate::query::{
    Body, Comparison, Condition, Cte, Join, Kind, On, Operation, Query, Scalar, Select, Source,
    TABLES, Value,
};
use crate::random::Random;

/// An item of a FROM: alias, columns.
type Item = (String, Vec<String>);

/// A FROM in scope.
#[derive(Clone, Default)]
struct Place {
    items: Vec<Item>,
    /// Columns that USING made one: name, the left item, the right item.
    merged: Vec<(String, String, String)>,
}

pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub dialect: Dialect,
    next: usize,
    ctes: Vec<Item>,
    places: Vec<Place>,
    /// Subqueries that may still be made.
    budget: usize,
}

impl<'a> Maker<'a> {
    pub fn new(random: &'a mut Random, dialect: Dialect) -> Self {
        // Small queries mostly: in large ones few rows matter.
        let seldom = if random.chance(60) { 0 } else { 3 };
        Self {
            random,
            dialect,
            next: 0,
            ctes: Vec::new(),
            places: Vec::new(),
            budget: 1 + seldom,
        }
    }

    fn fresh(&mut self, letter: &str) -> String {
        self.next += 1;
        format!("{letter}{}", self.next)
    }

    /// A query of this many columns, or any number.
    pub fn query(&mut self, width: Option<usize>) -> Query {
        let known = self.ctes.len();
        let mut ctes = Vec::new();
        while ctes.len() < 2 && self.random.chance(15) && self.spend() {
            let cte = self.cte();
            self.ctes.push((cte.name.clone(), cte.columns.clone()));
            ctes.push(cte);
        }
        let first = self.select(width);
        let width = first.width();
        let mut body = Body::Select(Box::new(first));
        let chain: &[Operation] = &[Operation::Union, Operation::UnionAll, Operation::Except];
        if self.random.chance(15) && self.spend() {
            let operation = self.random.pick(&[chain, &[Operation::Intersect]].concat());
            body = self.arm(body, operation, width);
            if operation != Operation::Intersect && self.random.chance(20) {
                let operation = self.random.pick(chain);
                body = self.arm(body, operation, width);
            }
        }
        self.ctes.truncate(known);
        Query { ctes, body }
    }

    fn arm(&mut self, body: Body, operation: Operation, width: usize) -> Body {
        let right = Box::new(Body::Select(Box::new(self.select(Some(width)))));
        Body::Set(operation, Box::new(body), right)
    }

    fn spend(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }

    fn cte(&mut self) -> Cte {
        let materialized = self.random.chance(20);
        if self.random.chance(25) {
            return self.recursive();
        }
        // A name that hides a table.
        if self.random.chance(20) {
            let (name, columns) = TABLES[self.random.below(3)];
            if self.ctes.iter().all(|(of, _)| of != name) {
                return Cte {
                    name: name.to_owned(),
                    columns: columns.map(str::to_owned).to_vec(),
                    query: self.without(name),
                    step: None,
                    materialized,
                };
            }
        }
        let query = self.query(None);
        Cte {
            name: self.fresh("w"),
            columns: (0..query.body.width()).map(|at| format!("x{at}")).collect(),
            query,
            step: None,
            materialized,
        }
    }

    /// A query of three columns on a table that is not of this name: `SQLite` takes a CTE that names itself for a circle.
    fn without(&mut self, name: &str) -> Query {
        let (table, columns) = if name == "t" { TABLES[1] } else { TABLES[0] };
        let alias = self.fresh("i");
        let columns = columns.map(str::to_owned);
        self.places.push(Place {
            items: vec![(alias.clone(), columns.to_vec())],
            merged: Vec::new(),
        });
        let select = Select {
            kind: Kind::Plain,
            items: (0..3).map(|_| self.column()).collect(),
            from: vec![Source::Table(table.to_owned(), alias, columns.to_vec())],
            condition: Some(self.leaf()),
            having: None,
        };
        self.places.pop();
        Query {
            ctes: Vec::new(),
            body: Body::Select(Box::new(select)),
        }
    }

    fn recursive(&mut self) -> Cte {
        let name = self.fresh("r");
        let mut base = self.select(Some(1));
        if base.kind == Kind::Max {
            base.kind = Kind::Plain;
        }
        let (table, columns) = TABLES[self.random.below(3)];
        let [alias, own] = [self.fresh("i"), self.fresh("i")];
        let columns = columns.map(str::to_owned).to_vec();
        self.places.push(Place {
            items: vec![
                (alias.clone(), columns.clone()),
                (own.clone(), vec!["x0".to_owned()]),
            ],
            merged: Vec::new(),
        });
        let joined = Condition::Compare(
            Scalar::Column(format!("{alias}.{}", columns[1]), alias.clone(), 1),
            Comparison::Equal,
            Scalar::Column(format!("{own}.x0"), own.clone(), 0),
        );
        let step = Select {
            kind: Kind::Plain,
            items: vec![Scalar::Column(
                format!("{alias}.{}", columns[2]),
                alias.clone(),
                2,
            )],
            from: vec![
                Source::Table(table.to_owned(), alias, columns),
                Source::Table(name.clone(), own, vec!["x0".to_owned()]),
            ],
            condition: Some(Condition::And(vec![joined, self.condition(1)])),
            having: None,
        };
        self.places.pop();
        Cte {
            name,
            columns: vec!["x0".to_owned()],
            query: Query {
                ctes: Vec::new(),
                body: Body::Select(Box::new(base)),
            },
            step: Some(step),
            materialized: false,
        }
    }

    fn select(&mut self, width: Option<usize>) -> Select {
        let mut place = Place::default();
        let mut from = Vec::new();
        let mut used = Vec::new();
        let count = if self.random.chance(15) { 2 } else { 1 };
        for _ in 0..count {
            let left = place.clone();
            let (source, tree) = self.source(2, &left, &mut used, true, count == 1);
            place.items.extend(tree.items);
            place.merged.extend(tree.merged);
            from.push(source);
        }
        self.places.push(place);
        let kind = match (self.random.below(10), width) {
            (0, None | Some(1)) => Kind::Count,
            (1, None | Some(1)) => Kind::Max,
            (2, None | Some(2)) => Kind::Grouped,
            (3, _) => Kind::Distinct,
            _ => Kind::Plain,
        };
        let count = width.unwrap_or_else(|| 1 + self.random.below(2));
        let condition = self.random.chance(85).then(|| self.condition(2));
        let mut items: Vec<Scalar> = Vec::new();
        let mut having = None;
        if kind == Kind::Grouped || kind == Kind::Max {
            // max() of a column from outside would belong to the query outside.
            let column = self.own_column();
            if kind == Kind::Grouped && self.random.chance(40) {
                having = self.having(&column);
            }
            items.push(column);
        } else if kind != Kind::Count {
            items = (0..count).map(|_| self.item()).collect();
        }
        self.places.pop();
        Select {
            kind,
            items,
            from,
            condition,
            having,
        }
    }

    /// A condition on a group's value, by a subquery.
    fn having(&mut self, column: &Scalar) -> Option<Condition> {
        let Scalar::Column(_, alias, at) = column else {
            return None;
        };
        let place = self.places.last()?;
        let (_, columns) = place.items.iter().find(|(of, _)| of == alias)?;
        let name = columns[*at].clone();
        if !self.spend() {
            return None;
        }
        let hidden = self.places.pop()?;
        let mut exists = self.select(None);
        self.places.push(hidden);
        if let [Source::Table(_, inner, columns)] = exists.from.as_slice()
            && inner != alias
        {
            let own = Scalar::Column(format!("{inner}.{}", columns[0]), inner.clone(), 0);
            let group = Scalar::Column(format!("{alias}.{name}"), alias.clone(), *at);
            let mut parts = vec![Condition::Compare(own, Comparison::Equal, group)];
            parts.extend(exists.condition.take());
            exists.condition = Some(Condition::And(parts));
        }
        let query = Query {
            ctes: Vec::new(),
            body: Body::Select(Box::new(exists)),
        };
        Some(Condition::Exists(Box::new(query), self.random.chance(50)))
    }

    fn source(
        &mut self,
        depth: usize,
        left: &Place,
        used: &mut Vec<String>,
        lateral: bool,
        alone: bool,
    ) -> (Source, Place) {
        if depth == 0 || self.random.chance(45) {
            return self.leaf_source(left, used, lateral);
        }
        let (one, mut tree) = self.source(depth - 1, left, used, lateral, alone);
        let join = self.random.pick(&[
            Join::Inner,
            Join::Inner,
            Join::Cross,
            Join::Left,
            Join::Left,
            Join::Left,
            Join::Right,
            Join::Full,
        ]);
        let through = lateral && !matches!(join, Join::Right | Join::Full);
        let mut seen = left.clone();
        seen.items.extend(tree.items.iter().cloned());
        let deeper = if self.random.chance(20) { depth - 1 } else { 0 };
        let seen = if through { seen } else { Place::default() };
        let (two, right) = self.source(deeper, &seen, used, through, false);
        if matches!(join, Join::Right | Join::Full) {
            tree.merged.clear();
        }
        let using = self
            .using(join, &one, &tree, &two, &right)
            .filter(|_| alone);
        tree.items.extend(right.items.iter().cloned());
        let on = match using {
            Some((name, sides)) => {
                tree.merged
                    .push((name.clone(), sides[0].0.clone(), sides[1].0.clone()));
                On::Using(name, sides)
            }
            None if join == Join::Cross => On::None,
            None => {
                self.places.push(Place {
                    items: tree.items.clone(),
                    merged: Vec::new(),
                });
                let condition = self.condition(1);
                self.places.pop();
                On::Condition(Box::new(condition))
            }
        };
        (Source::Joined(join, Box::new(one), Box::new(two), on), tree)
    }

    fn using(
        &mut self,
        join: Join,
        one: &Source,
        left: &Place,
        two: &Source,
        right: &Place,
    ) -> Option<(String, [(String, usize); 2])> {
        if !matches!(join, Join::Inner | Join::Left)
            || !matches!(two, Source::Table(..))
            || !plain(one)
            || !self.random.chance(30)
        {
            return None;
        }
        let (alias, columns) = right.items.first()?;
        for (at, name) in columns.iter().enumerate() {
            let mut with = left.items.iter().filter_map(|(of, columns)| {
                Some((
                    of.clone(),
                    columns.iter().position(|column| column == name)?,
                ))
            });
            if let (Some(found), None) = (with.next(), with.next()) {
                return Some((name.clone(), [found, (alias.clone(), at)]));
            }
        }
        None
    }

    fn leaf_source(
        &mut self,
        left: &Place,
        used: &mut Vec<String>,
        lateral: bool,
    ) -> (Source, Place) {
        let one = |source, alias: &String, columns: &[String]| {
            let place = Place {
                items: vec![(alias.clone(), columns.to_vec())],
                merged: Vec::new(),
            };
            (source, place)
        };
        if self.random.chance(15) && self.spend() {
            let sees = lateral
                && self.dialect == Dialect::Postgres
                && !left.items.is_empty()
                && self.random.chance(70);
            if sees {
                self.places.push(left.clone());
            }
            let query = self.query(None);
            if sees {
                self.places.pop();
            }
            let alias = self.fresh("d");
            let columns: Vec<String> = (0..query.body.width()).map(|at| format!("x{at}")).collect();
            return one(
                Source::Derived(Box::new(query), alias.clone(), sees),
                &alias,
                &columns,
            );
        }
        let (name, columns) = match self.ctes.len() {
            0 => self.table(),
            count if self.random.chance(40) => {
                let at = self.random.below(count);
                self.ctes[at].clone()
            }
            _ => self.table(),
        };
        let alias = if self.random.chance(30) && !used.contains(&name) {
            name.clone()
        } else {
            self.fresh("i")
        };
        used.push(alias.clone());
        one(
            Source::Table(name, alias.clone(), columns.clone()),
            &alias,
            &columns,
        )
    }

    fn table(&mut self) -> Item {
        let (name, columns) = TABLES[self.random.below(3)];
        (name.to_owned(), columns.map(str::to_owned).to_vec())
    }

    /// A column of a FROM in scope, mostly of the innermost.
    fn column(&mut self) -> Scalar {
        let mut level = self.places.len() - 1;
        while level > 0 && self.random.chance(25) {
            level -= 1;
        }
        let inner: Vec<Item> = self.places[level + 1..]
            .iter()
            .flat_map(|p| p.items.clone())
            .collect();
        let place = self.places[level].clone();
        let seen: Vec<&Item> = place
            .items
            .iter()
            .filter(|(alias, _)| inner.iter().all(|(of, _)| of != alias))
            .collect();
        if seen.is_empty() {
            let innermost = self.places.len() - 1;
            let (alias, columns) = self.places[innermost].items[0].clone();
            return Scalar::Column(format!("{alias}.{}", columns[0]), alias, 0);
        }
        let (alias, columns) = seen[self.random.below(seen.len())];
        let at = self.random.below(columns.len());
        let name = &columns[at];
        let with = |items: &[Item]| {
            items
                .iter()
                .filter(|(_, columns)| columns.contains(name))
                .count()
        };
        let merged = place.merged.iter().filter(|(of, ..)| of == name).count() == 1
            && place
                .merged
                .iter()
                .any(|(of, left, _)| of == name && left == alias);
        let certain = match with(&place.items) {
            1 => true,
            2 => merged,
            _ => false,
        };
        // An output column of the same name would hide one further out.
        let plain = level + 1 == self.places.len() || !name.starts_with('x');
        let bare = certain && plain && with(&inner) == 0 && self.random.chance(40);
        let text = if bare {
            name.clone()
        } else {
            format!("{alias}.{name}")
        };
        Scalar::Column(text, alias.clone(), at)
    }

    fn own_column(&mut self) -> Scalar {
        let innermost = self.places.len() - 1;
        let (alias, columns) = self.random.pick(&self.places[innermost].items);
        let at = self.random.below(columns.len());
        Scalar::Column(format!("{alias}.{}", columns[at]), alias, at)
    }

    fn value(&mut self) -> Value {
        self.random.value()
    }

    fn atom(&mut self) -> Scalar {
        let value = self.value();
        if self.random.chance(70) {
            Scalar::Parameter(value)
        } else {
            Scalar::Constant(value)
        }
    }

    fn item(&mut self) -> Scalar {
        if self.random.chance(15) && self.spend() {
            return self.aggregate();
        }
        if self.random.chance(10) {
            return Scalar::Constant(self.value());
        }
        self.column()
    }

    /// A query of one row.
    fn aggregate(&mut self) -> Scalar {
        let mut select = self.select(Some(1));
        select.kind = match select.items.first() {
            Some(Scalar::Column(..)) if self.random.chance(50) => Kind::Max,
            _ => Kind::Count,
        };
        select.having = None;
        // max() of columns that are all from outside would belong to the query outside.
        if select.kind == Kind::Max {
            let own = select.from.first().map(first_alias);
            if let (Some(own), Scalar::Column(_, alias, _)) = (own, &select.items[0])
                && own != *alias
            {
                select.kind = Kind::Count;
            }
        }
        Scalar::Query(Box::new(Query {
            ctes: Vec::new(),
            body: Body::Select(Box::new(select)),
        }))
    }

    fn condition(&mut self, depth: usize) -> Condition {
        if depth == 0 {
            return self.leaf();
        }
        match self.random.below(12) {
            0..=3 => Condition::And(vec![self.leaf(), self.condition(depth - 1)]),
            4 => Condition::Or(vec![self.condition(depth - 1), self.condition(depth - 1)]),
            5 => Condition::Not(Box::new(self.condition(depth - 1))),
            6 if self.random.chance(40) => {
                let word = self
                    .random
                    .pick(&["true", "not true", "false", "not false"]);
                Condition::Is(Box::new(self.condition(depth - 1)), word)
            }
            7 | 8 if self.spend() => self.subquery(),
            _ => self.leaf(),
        }
    }

    fn subquery(&mut self) -> Condition {
        let negated = self.random.chance(40);
        match self.random.below(8) {
            0..=3 => Condition::Exists(Box::new(self.query(None)), negated),
            4 | 5 => Condition::InQuery(self.column(), Box::new(self.query(Some(1))), negated),
            6 if self.dialect == Dialect::Postgres => Condition::Quantified(
                self.column(),
                self.comparison(),
                negated,
                Box::new(self.query(Some(1))),
            ),
            _ => Condition::Compare(self.column(), Comparison::Equal, self.aggregate()),
        }
    }

    fn comparison(&mut self) -> Comparison {
        self.random.pick(&[
            Comparison::Equal,
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
        ])
    }

    fn leaf(&mut self) -> Condition {
        match self.random.below(16) {
            0..=5 => Condition::Compare(self.column(), Comparison::Equal, self.atom()),
            6..=8 => Condition::Compare(self.column(), Comparison::Equal, self.column()),
            9 => Condition::Compare(self.column(), self.comparison(), self.atom()),
            10 => Condition::Null(self.column(), self.random.chance(40)),
            11 => Condition::Distinct(self.column(), self.atom(), self.random.chance(60)),
            12 | 13 => {
                let list = (0..=self.random.below(2)).map(|_| self.atom()).collect();
                Condition::In(self.column(), list, self.random.chance(25))
            }
            14 => Condition::Pair([self.column(), self.column()], [self.atom(), self.column()]),
            _ => {
                let when = Box::new(self.leaf());
                Condition::Case(when, self.column(), self.atom(), self.value())
            }
        }
    }
}

fn plain(source: &Source) -> bool {
    match source {
        Source::Table(..) => true,
        Source::Derived(..) => false,
        Source::Joined(join, left, right, _) => {
            matches!(join, Join::Inner | Join::Left | Join::Cross) && plain(left) && plain(right)
        }
    }
}

fn first_alias(source: &Source) -> String {
    match source {
        Source::Table(_, alias, _) | Source::Derived(_, alias, _) => alias.clone(),
        Source::Joined(_, left, ..) => first_alias(left),
    }
}
