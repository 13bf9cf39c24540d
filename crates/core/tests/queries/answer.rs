//! What a query answers.

use cacheops_core::schema::Dialect;

use crate::query::{
    Body, Comparison, Condition, Join, Kind, On, Operation, Query, Scalar, Select, Source, TABLES,
    Value,
};

pub type Row = Vec<Value>;

/// A row of a FROM: alias and values of each item.
type Joined = Vec<(String, Row)>;

/// What a query may look at: tables, CTEs in scope, the rows around it, innermost last.
pub struct Answer<'a> {
    tables: &'a [Vec<Row>; 3],
    dialect: Dialect,
    ctes: Vec<(String, Vec<Row>)>,
    around: Vec<Joined>,
}

impl<'a> Answer<'a> {
    pub fn new(tables: &'a [Vec<Row>; 3], dialect: Dialect) -> Self {
        Self {
            tables,
            dialect,
            ctes: Vec::new(),
            around: Vec::new(),
        }
    }

    /// Rows, in no order.
    pub fn query(&mut self, query: &Query) -> Vec<Row> {
        let before = self.ctes.len();
        for cte in &query.ctes {
            let mut rows = self.query(&cte.query);
            if let Some(step) = &cte.step {
                distinct(&mut rows);
                let mut new = rows.clone();
                while !new.is_empty() {
                    self.ctes.push((cte.name.clone(), new));
                    new = self.select(step);
                    self.ctes.pop();
                    distinct(&mut new);
                    new.retain(|row| !rows.contains(row));
                    rows.extend(new.iter().cloned());
                }
            }
            self.ctes.push((cte.name.clone(), rows));
        }
        let rows = self.body(&query.body);
        self.ctes.truncate(before);
        rows
    }

    fn body(&mut self, body: &Body) -> Vec<Row> {
        let (operation, left, right) = match body {
            Body::Select(select) => return self.select(select),
            Body::Set(operation, left, right) => (*operation, left, right),
        };
        let mut rows = self.body(left);
        let other = self.body(right);
        match operation {
            Operation::UnionAll => {
                rows.extend(other);
                return rows;
            }
            Operation::Union => rows.extend(other),
            Operation::Except => rows.retain(|row| !other.contains(row)),
            Operation::Intersect => rows.retain(|row| other.contains(row)),
        }
        distinct(&mut rows);
        rows
    }

    fn select(&mut self, select: &Select) -> Vec<Row> {
        let mut joined: Vec<Joined> = vec![Vec::new()];
        let from = match self.dialect {
            Dialect::Postgres => select.from.clone(),
            Dialect::Sqlite => vec![chained(&select.from)],
        };
        for source in &from {
            let mut next = Vec::new();
            for left in &joined {
                for right in self.source(source, left) {
                    next.push([left.clone(), right].concat());
                }
            }
            joined = next;
        }
        let mut rows: Vec<Row> = Vec::new();
        for row in joined {
            self.around.push(row);
            let holds = select
                .condition
                .as_ref()
                .is_none_or(|c| self.truth(c) == Some(true));
            if holds {
                rows.push(select.items.iter().map(|item| self.scalar(item)).collect());
            }
            self.around.pop();
        }
        match select.kind {
            Kind::Plain => rows,
            Kind::Distinct => {
                distinct(&mut rows);
                rows
            }
            Kind::Count => vec![vec![i64::try_from(rows.len()).ok()]],
            Kind::Max => vec![vec![rows.iter().filter_map(|row| row[0]).max()]],
            Kind::Grouped => {
                let mut groups: Vec<(Value, i64)> = Vec::new();
                for row in &rows {
                    match groups.iter_mut().find(|(value, _)| *value == row[0]) {
                        Some((_, count)) => *count += 1,
                        None => groups.push((row[0], 1)),
                    }
                }
                if let (Some(having), Scalar::Column(_, alias, column)) =
                    (&select.having, &select.items[0])
                {
                    groups.retain(|(value, _)| {
                        let mut row = vec![None; 3];
                        row[*column] = *value;
                        self.around.push(vec![(alias.clone(), row)]);
                        let holds = self.truth(having) == Some(true);
                        self.around.pop();
                        holds
                    });
                }
                groups
                    .into_iter()
                    .map(|(value, count)| vec![value, Some(count)])
                    .collect()
            }
        }
    }

    fn source(&mut self, source: &Source, left: &Joined) -> Vec<Joined> {
        match source {
            Source::Table(name, alias, _) => {
                let cte = self.ctes.iter().rev().find(|(of, _)| of == name);
                let rows = match cte {
                    Some((_, rows)) => rows.clone(),
                    None => {
                        self.tables[TABLES.iter().position(|(of, _)| of == name).unwrap()].clone()
                    }
                };
                rows.into_iter()
                    .map(|row| vec![(alias.clone(), row)])
                    .collect()
            }
            Source::Derived(query, alias, lateral) => {
                if *lateral {
                    self.around.push(left.clone());
                }
                let rows = self.query(query);
                if *lateral {
                    self.around.pop();
                }
                rows.into_iter()
                    .map(|row| vec![(alias.clone(), row)])
                    .collect()
            }
            Source::Joined(join, one, two, on) => {
                let mut out = Vec::new();
                let mut matched: Vec<bool> = Vec::new();
                for one in self.source(one, left) {
                    let mut any = false;
                    let others = self.source(two, &[left.clone(), one.clone()].concat());
                    matched.resize(others.len(), false);
                    for (at, two) in others.into_iter().enumerate() {
                        let both = [one.clone(), two].concat();
                        self.around.push(both.clone());
                        let holds = match on {
                            On::None => true,
                            On::Condition(condition) => self.truth(condition) == Some(true),
                            On::Using(_, [left, right]) => {
                                let of =
                                    |(alias, column): &(String, usize)| self.column(alias, *column);
                                of(left).is_some() && of(left) == of(right)
                            }
                        };
                        self.around.pop();
                        if holds {
                            any = true;
                            out.push(both);
                            matched[at] = true;
                        }
                    }
                    if !any && matches!(join, Join::Left | Join::Full) {
                        out.push([one, nulls(two)].concat());
                    }
                }
                if matches!(join, Join::Right | Join::Full) {
                    for (at, two) in self.source(two, left).into_iter().enumerate() {
                        if !matched.get(at).copied().unwrap_or_default() {
                            out.push([nulls(one), two].concat());
                        }
                    }
                }
                out
            }
        }
    }

    fn column(&self, alias: &str, column: usize) -> Value {
        let mut items = self.around.iter().rev().flat_map(|row| row.iter());
        items.find(|(of, _)| of == alias).unwrap().1[column]
    }

    fn scalar(&mut self, scalar: &Scalar) -> Value {
        match scalar {
            Scalar::Column(_, alias, column) => self.column(alias, *column),
            Scalar::Constant(value) | Scalar::Parameter(value) => *value,
            Scalar::Query(query) => self.query(query)[0][0],
        }
    }

    fn compare(left: Value, comparison: Comparison, right: Value) -> Option<bool> {
        let (left, right) = (left?, right?);
        Some(match comparison {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
        })
    }

    fn any(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
        let mut unknown = false;
        for value in values {
            match value {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(false)
    }

    fn negated(value: Option<bool>, negated: bool) -> Option<bool> {
        value.map(|value| value != negated)
    }

    fn truth(&mut self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Compare(left, comparison, right) => {
                Self::compare(self.scalar(left), *comparison, self.scalar(right))
            }
            Condition::Null(scalar, negated) => Some(self.scalar(scalar).is_none() != *negated),
            Condition::Distinct(left, right, same) => {
                Some((self.scalar(left) == self.scalar(right)) == *same)
            }
            Condition::In(scalar, list, negated) => {
                let value = self.scalar(scalar);
                let found = Self::any(
                    list.iter()
                        .map(|item| Self::compare(value, Comparison::Equal, self.scalar(item))),
                );
                Self::negated(found, *negated)
            }
            Condition::Pair(left, right) => {
                let differ: Vec<_> = (0..2)
                    .map(|at| {
                        let same = Self::compare(
                            self.scalar(&left[at]),
                            Comparison::Equal,
                            self.scalar(&right[at]),
                        );
                        Self::negated(same, true)
                    })
                    .collect();
                Self::negated(Self::any(differ.into_iter()), true)
            }
            Condition::Exists(query, negated) => Some(self.query(query).is_empty() == *negated),
            Condition::InQuery(scalar, query, negated) => {
                let value = self.scalar(scalar);
                let rows = self.query(query);
                let found = rows
                    .iter()
                    .map(|row| Self::compare(value, Comparison::Equal, row[0]));
                Self::negated(Self::any(found), *negated)
            }
            Condition::Quantified(scalar, comparison, any, query) => {
                let value = self.scalar(scalar);
                let rows = self.query(query);
                let compared = rows
                    .iter()
                    .map(|row| Self::negated(Self::compare(value, *comparison, row[0]), !*any));
                Self::negated(Self::any(compared), !*any)
            }
            Condition::Case(when, then, otherwise, value) => {
                let chosen = if self.truth(when) == Some(true) {
                    then
                } else {
                    otherwise
                };
                Self::compare(self.scalar(chosen), Comparison::Equal, *value)
            }
            Condition::Is(inner, word) => {
                let value = self.truth(inner);
                Some(match *word {
                    "true" => value == Some(true),
                    "not true" => value != Some(true),
                    "false" => value == Some(false),
                    _ => value != Some(false),
                })
            }
            Condition::Not(inner) => Self::negated(self.truth(inner), true),
            Condition::And(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| Self::negated(self.truth(part), true))
                    .collect();
                Self::negated(Self::any(parts.into_iter()), true)
            }
            Condition::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.truth(part)).collect();
                Self::any(parts.into_iter())
            }
        }
    }
}

fn distinct(rows: &mut Vec<Row>) {
    rows.sort();
    rows.dedup();
}

/// To `SQLite` a comma joins what stands before it to the first table behind it.
fn chained(from: &[Source]) -> Source {
    fn attach(chain: Source, source: &Source) -> Source {
        match source {
            Source::Joined(join, left, right, on) => Source::Joined(
                *join,
                Box::new(attach(chain, left)),
                right.clone(),
                on.clone(),
            ),
            leaf => Source::Joined(
                Join::Cross,
                Box::new(chain),
                Box::new(leaf.clone()),
                On::None,
            ),
        }
    }
    let (first, rest) = from.split_first().unwrap();
    rest.iter().fold(first.clone(), attach)
}

/// A source's items, all of NULL.
fn nulls(source: &Source) -> Joined {
    match source {
        Source::Table(_, alias, columns) => vec![(alias.clone(), vec![None; columns.len()])],
        Source::Derived(query, alias, _) => vec![(alias.clone(), vec![None; query.body.width()])],
        Source::Joined(_, left, right, _) => [nulls(left), nulls(right)].concat(),
    }
}
