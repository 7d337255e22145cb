//! Tables as kubectl prints them: headers in capitals, columns three spaces apart.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{
    style::{FAINT, STRONG, Terminal},
    text::Text,
};

/// Between two columns: three, or two where that makes the lines fit.
const GAPS: [usize; 2] = [3, 2];

/// The least room for sentences in a last column.
const LEAST_PROSE: usize = 24;

/// A table of styled cells, and lines under its rows.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    /// How many of the first columns name the row; where a line is too narrow, they head it.
    lead: usize,
    rows: Vec<Row>,
}

/// The title of a column, and where its cells end.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    is_number: bool,
    wraps: bool,
}

/// A row, and lines about it.
#[derive(Debug, Default)]
struct Row {
    cells: Vec<Text>,
    notes: Vec<Text>,
}

impl Column {
    /// A column whose cells begin at the same place.
    pub fn text(title: &'static str) -> Self {
        Self { title, is_number: false, wraps: false }
    }

    /// A last column of sentences, which go on below where a line is too narrow.
    pub fn prose(title: &'static str) -> Self {
        Self { title, is_number: false, wraps: true }
    }

    /// A column of numbers, whose cells end at the same place.
    pub fn number(title: &'static str) -> Self {
        Self { title, is_number: true, wraps: false }
    }
}

/// The columns of items of one kind, each with what it shows of an item: all that there is to say
/// of a column stands in one place.
pub struct ItemColumns<'c, T>(Vec<ItemColumn<'c, T>>);

/// A column, and what it shows of an item.
struct ItemColumn<'c, T> {
    column: Column,
    cell: Box<dyn Fn(&T) -> Text + 'c>,
}

impl<'c, T> ItemColumns<'c, T> {
    /// No columns.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// These columns and one more.
    #[must_use]
    pub fn with(mut self, column: Column, cell: impl Fn(&T) -> Text + 'c) -> Self {
        self.0.push(ItemColumn { column, cell: Box::new(cell) });
        self
    }

    /// These columns, and one more where the condition holds.
    #[must_use]
    pub fn with_if(self, is_shown: bool, column: Column, cell: impl Fn(&T) -> Text + 'c) -> Self {
        if is_shown { self.with(column, cell) } else { self }
    }

    /// A table without rows, of which the first `lead` columns name a row.
    pub fn table(&self, lead: usize) -> Table {
        Table::new(self.0.iter().map(|of| of.column).collect(), lead)
    }

    /// The cells of an item's row.
    pub fn cells(&self, item: &T) -> Vec<Text> {
        self.0.iter().map(|of| (of.cell)(item)).collect()
    }
}

impl Table {
    /// A table without rows, of which the first `lead` columns name a row.
    pub fn new(columns: Vec<Column>, lead: usize) -> Self {
        Self { columns, lead, rows: Vec::new() }
    }

    /// Whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: Vec<Text>) {
        self.rows.push(Row { cells, notes: Vec::new() });
    }

    /// Adds a line about the last row.
    pub fn note(&mut self, note: Text) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(note);
        }
    }

    /// The width of each column: that of its widest cell or of its title.
    pub fn widths(&self) -> Vec<usize> {
        let widths = self.columns.iter().enumerate().map(|(index, column)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
            cells.map(Text::width).max().unwrap_or_default().max(column.title.width())
        });
        widths.collect()
    }

    /// The widths with which several tables line up: the largest of each column.
    pub fn common_widths<'t>(tables: impl IntoIterator<Item = &'t Self>) -> Vec<usize> {
        let mut common: Vec<usize> = Vec::new();
        for table in tables {
            let widths = table.widths();
            common.resize(common.len().max(widths.len()), 0);
            for (all, own) in common.iter_mut().zip(widths) {
                *all = own.max(*all);
            }
        }
        common
    }

    /// How much room a line of a table with these widths leaves; `None` where it leaves less than
    /// `least`.
    pub fn room(widths: &[usize], width: usize, least: usize) -> Option<usize> {
        let gap = Self::gap(widths, width.checked_sub(least)?)?;
        Some(width.saturating_sub(Self::total_width(widths, gap)))
    }

    /// The widest gap with which lines of these widths fit; `None` where they do not.
    fn gap(widths: &[usize], width: usize) -> Option<usize> {
        GAPS.into_iter().find(|gap| Self::total_width(widths, *gap) <= width)
    }

    fn total_width(widths: &[usize], gap: usize) -> usize {
        widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
    }

    /// Writes the table; where its lines do not fit, every row as a paragraph.
    pub fn write(
        &self,
        out: &mut dyn Write,
        terminal: Terminal,
        widths: &[usize],
    ) -> io::Result<()> {
        let wrapped = self.wrapped(widths, terminal.width);
        let widths = wrapped.as_deref().unwrap_or(widths);
        let Some(gap) = Self::gap(widths, terminal.width.unwrap_or(usize::MAX)) else {
            return self.write_paragraphs(out, terminal);
        };
        let titles = self.columns.iter().map(|column| Text::styled(STRONG, column.title));
        if terminal.has_titles {
            self.write_line(out, &titles.collect::<Vec<_>>(), (widths, gap))?;
        }
        for row in &self.rows {
            self.write_line(out, &row.cells, (widths, gap))?;
            for note in &row.notes {
                note.write_lines(out, 2, terminal.width)?;
            }
        }
        Ok(())
    }

    /// The widths with a narrower last column, where that makes the lines fit and the column wraps.
    fn wrapped(&self, widths: &[usize], width: Option<usize>) -> Option<Vec<usize>> {
        let width = width.filter(|width| Self::gap(widths, *width).is_none())?;
        self.columns.last().filter(|column| column.wraps)?;
        let (last, others) = widths.split_last()?;
        let [_, gap] = GAPS;
        let room = width.checked_sub(Self::total_width(others, gap) + gap)?;
        (room >= LEAST_PROSE).then(|| others.iter().copied().chain([room.min(*last)]).collect())
    }

    fn write_line(
        &self,
        out: &mut dyn Write,
        cells: &[Text],
        (widths, gap): (&[usize], usize),
    ) -> io::Result<()> {
        let last = cells.iter().rposition(|cell| !cell.is_empty());
        let mut pending = 0;
        for (index, (column, width)) in self.columns.iter().zip(widths).enumerate() {
            let Some(cell) = cells.get(index).filter(|_| last.is_some_and(|last| index <= last))
            else {
                break;
            };
            let padding = width.saturating_sub(cell.width());
            let before = pending + if column.is_number { padding } else { 0 };
            write!(out, "{:before$}", "")?;
            if last != Some(index) {
                cell.write(out)?;
            } else if column.wraps && cell.width() > *width {
                let (shown, below) = widths.split_at(index.min(widths.len()));
                let indent = Self::total_width(shown, gap) + if below.is_empty() { 0 } else { gap };
                for (number, line) in cell.lines(*width).into_iter().enumerate() {
                    if number > 0 {
                        write!(out, "\n{:indent$}", "")?;
                    }
                    line.write(out)?;
                }
            } else {
                cell.clone().trimmed().write(out)?;
            }
            pending = gap + if column.is_number { 0 } else { padding };
        }
        writeln!(out)
    }

    fn write_paragraphs(&self, out: &mut dyn Write, terminal: Terminal) -> io::Result<()> {
        for row in &self.rows {
            let cells = self.columns.iter().zip(&row.cells);
            let cells =
                cells.map(|(column, cell)| (column, cell.clone().trimmed().trimmed_start()));
            let (head, body): (Vec<_>, Vec<_>) =
                cells.enumerate().partition(|(index, _)| *index < self.lead);
            let known = |(_, (column, cell)): (usize, (&Column, Text))| {
                (!cell.is_empty()).then_some((column.title.to_lowercase(), cell))
            };
            let head = head.into_iter().filter_map(known).map(|(_, cell)| cell);
            write_items(out, head, 0, terminal)?;
            let body = body.into_iter().filter_map(known);
            let titled = body.map(|(title, cell)| Text::styled(FAINT, title + " ").join(cell));
            write_items(out, titled, 2, terminal)?;
            for note in &row.notes {
                note.write_lines(out, 2, terminal.width)?;
            }
        }
        Ok(())
    }
}

/// Writes items two spaces apart, as many a line as fit; none is broken but one that is too long for
/// any line.
fn write_items(
    out: &mut dyn Write,
    items: impl Iterator<Item = Text>,
    indent: usize,
    terminal: Terminal,
) -> io::Result<()> {
    let room = terminal.width.unwrap_or(usize::MAX).saturating_sub(indent);
    let mut taken = 0;
    for item in items {
        if item.width() > room {
            if taken > 0 {
                writeln!(out)?;
            }
            item.write_lines(out, indent, terminal.width)?;
            taken = 0;
            continue;
        }
        if taken == 0 {
            write!(out, "{:indent$}", "")?;
        } else if taken + 2 + item.width() <= room {
            write!(out, "  ")?;
            taken += 2;
        } else {
            write!(out, "\n{:indent$}", "")?;
            taken = 0;
        }
        item.write(out)?;
        taken += item.width();
    }
    if taken > 0 { writeln!(out) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
