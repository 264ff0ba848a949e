//! Lists of mostly one: whatever is done with one, it reads as the `Vec` with which the same was done.

use allocation_counter::measure;
use countersign::few::Few;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Pop,
    SwapPopFirst,
    Keep(u8),
    Sort,
    Dedup,
    Extend(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let few = prop::collection::vec(0..4u8, 0..3);
    prop_oneof![
        (0..4u8).prop_map(Step::Push),
        Just(Step::Pop),
        Just(Step::SwapPopFirst),
        (0..4u8).prop_map(Step::Keep),
        Just(Step::Sort),
        Just(Step::Dedup),
        few.prop_map(Step::Extend),
    ]
}

/// Does one step with both; what came out of them.
fn both(few: &mut Few<u8>, vec: &mut Vec<u8>, step: &Step) -> (Option<u8>, Option<u8>) {
    match step {
        Step::Push(element) => (few.push(*element), vec.push(*element)),
        Step::Pop => return (few.pop(), vec.pop()),
        Step::SwapPopFirst => {
            return (few.swap_pop_first(), (!vec.is_empty()).then(|| vec.swap_remove(0)));
        }
        Step::Keep(least) => (few.retain(|kept| kept >= least), vec.retain(|kept| kept >= least)),
        Step::Sort => (few.sort_unstable(), vec.sort_unstable()),
        Step::Dedup => (few.dedup_by(|later, earlier| later == earlier), vec.dedup()),
        Step::Extend(more) => (few.extend(more.iter().copied()), vec.extend(more)),
    };
    (None, None)
}

proptest! {
    #[test]
    fn few_is_a_vec(start in prop::collection::vec(0..4u8, 0..4), steps in prop::collection::vec(step(), 0..12)) {
        let mut vec = start.clone();
        for mut few in [Few::from(start.clone()), start.iter().copied().collect()] {
            vec.clone_from(&start);
            for step in &steps {
                let (left, right) = both(&mut few, &mut vec, step);
                prop_assert_eq!(left, right);
                prop_assert_eq!(few.as_slice(), vec.as_slice());
                prop_assert_eq!(few.clone(), Few::from(vec.clone()));
                prop_assert_eq!(format!("{few:?}"), format!("{vec:?}"));
            }
            prop_assert_eq!((&few).into_iter().count(), few.clone().into_iter().len());
            prop_assert_eq!(few.into_iter().collect::<Vec<_>>(), vec.clone());
        }
    }
}

#[test]
fn one_takes_no_memory_of_its_own() {
    let one = measure(|| {
        let mut few: Few<u64> = [1].into_iter().collect();
        few.retain(|element| *element == 1);
        few.sort_unstable();
        let mut again = few.clone();
        again.pop();
        again.push(2);
        assert_eq!((few.as_slice(), again.as_slice(), Few::from(2) == again), (&[1][..], &[2][..], true));
    });
    assert_eq!(one.count_total, 0);
    assert!(
        measure(|| drop([1, 2].into_iter().collect::<Few<u64>>())).count_total > 0,
        "it is counted at all"
    );
}
