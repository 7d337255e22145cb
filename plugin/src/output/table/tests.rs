use clbmigrate_core::rules::Language;

use super::*;

fn table() -> Table {
    let columns = vec![Column::text("NAME"), Column::number("WEIGHT"), Column::text("SHARE")];
    let mut table = Table::new(columns, 1);
    table.row(vec!["shop/web".into(), "80".into(), "79.6 %".into()]);
    table.note("info CLB401 the share is not what the weight says".into());
    table.row(vec!["i-bp1".into(), "100".into(), Text::default()]);
    table
}

fn written(table: &Table, width: Option<usize>) -> String {
    let mut out = Vec::new();
    let terminal = Terminal { width, unicode: true, language: Language::English, has_titles: true };
    table.write(&mut out, terminal, &table.widths()).expect("memory");
    String::from_utf8(strip_ansi_escapes::strip(&out)).expect("text")
}

#[test]
fn columns_are_three_spaces_apart_and_numbers_end_together() {
    let lines = "\
NAME       WEIGHT   SHARE
shop/web       80   79.6 %
  info CLB401 the share is not what the weight says
i-bp1         100
";
    assert_eq!(written(&table(), None), lines);
}

#[test]
fn columns_come_closer_where_that_makes_them_fit() {
    let first = |width| written(&table(), Some(width)).lines().next().map(str::to_owned);
    assert_eq!(first(26).as_deref(), Some("NAME       WEIGHT   SHARE"));
    assert_eq!(first(25).as_deref(), Some("NAME      WEIGHT  SHARE"));
    assert_eq!(first(24).as_deref(), Some("NAME      WEIGHT  SHARE"));
    assert_eq!(first(23).as_deref(), Some("shop/web"));
}

#[test]
fn without_titles_only_the_rows_are_written() {
    let mut out = Vec::new();
    let terminal =
        Terminal { width: None, unicode: true, language: Language::English, has_titles: false };
    table().write(&mut out, terminal, &table().widths()).expect("memory");
    let lines = String::from_utf8(out).expect("text");
    assert!(!lines.contains("NAME") && !lines.contains("WEIGHT"), "{lines}");
    assert_eq!(lines.lines().count(), 3, "{lines}");
}

#[test]
fn sentences_in_a_last_column_go_on_below() {
    let mut table = Table::new(vec![Column::text("RULE"), Column::prose("TITLE")], 1);
    table.row(vec!["CLB009".into(), "both prefixes are set with different values".into()]);
    let lines = "\
RULE    TITLE
CLB009  both prefixes are set
        with different values
";
    assert_eq!(written(&table, Some(32)), lines);
    assert_eq!(written(&table, Some(31)).lines().next(), Some("CLB009"));
}

#[test]
fn wide_characters_count_twice() {
    let mut table = Table::new(vec![Column::text("A"), Column::text("B")], 1);
    table.row(vec!["网关".into(), "x".into()]);
    table.row(vec!["abcd".into(), "y".into()]);
    assert_eq!(written(&table, None), "A      B\n网关   x\nabcd   y\n");
}

#[test]
fn a_narrow_terminal_gets_paragraphs_with_all_that_the_table_says() {
    let lines = "\
shop/web
  weight 80
  share 79.6 %
  info CLB401 the
    share is not what
    the weight says
i-bp1
  weight 100
";
    assert_eq!(written(&table(), Some(22)), lines);
}

#[test]
fn tables_line_up_with_each_other() {
    let mut other = Table::new(vec![Column::text("NAME"), Column::text("X")], 1);
    other.row(vec!["a-much-longer-name".into(), "".into()]);
    assert_eq!(Table::common_widths([&table(), &other]), [18, 6, 6]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_content_makes_a_table_panic_or_lose_a_word(
            cells in proptest::collection::vec(proptest::collection::vec("[a-z0-9/.-]{0,30}", 0..5), 0..8),
            width in proptest::option::of(0_usize..120),
        ) {
            let columns = ["ONE", "TWO", "THREE"].map(Column::text).to_vec();
            let mut table = Table::new(columns, 1);
            for row in &cells {
                table.row(row.iter().map(Text::plain).collect());
            }
            let shown = written(&table, width);
            for cell in cells.iter().flat_map(|row| row.iter().take(3)) {
                prop_assert!(shown.contains(cell.as_str()), "{cell} in {shown}");
            }
        }
    }
}
