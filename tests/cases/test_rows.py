"""Which test holds for which kind of thing that people bring: every kind has one, and it is there.

A kind is what stands before the colon; behind it are files of tests, each with the tests that hold the right value.
"""

import ast
from pathlib import Path

import pytest

FORMS = "cases/test_data_forms.py::test_a_form_is_read_as_it_is_meant"
REFUSED = "cases/test_data_forms.py::test_what_cannot_be_known_is_refused_with_the_way_out"

ROWS = {
    "1 numbers of another order": (
        FORMS,
        REFUSED,
        "cases/test_data_forms.py::test_the_counts_of_fer2013_tell_its_order",
    ),
    "2 roles in folder names": (FORMS,),
    "3 roles in a column": (FORMS, REFUSED),
    "4 a folder per clip": (FORMS, "cases/test_data_forms.py::test_a_clip_never_lies_on_two_sides_of_a_split"),
    "5 whole photos": (
        "cases/test_measuring.py::test_photos_without_a_face_count_as_wrong",
        "cases/test_measuring.py::test_images_that_are_no_crops_are_noticed",
        "cases/test_crops.py::test_square_photos_are_told_from_crops",
    ),
    "6 a photo that lies on its side": (
        "unit/test_way_up.py::test_a_lying_photo_gets_the_label_of_the_upright_one_and_a_note",
        "unit/test_way_up.py::test_a_heic_whose_tag_says_that_it_lies_without_a_turn_of_its_own_is_turned",
        "unit/test_way_up.py::test_no_label_is_given_where_it_cannot_be_told",
    ),
    "7 bare models": (
        "cases/test_models_given.py::test_a_bare_model_is_named_as_what_it_is",
        "cases/test_models_given.py::test_no_bundle_is_written_under_the_name_of_another_form",
        "training/test_export.py::test_a_model_of_another_form_answers_as_the_network_does",
    ),
    "8 what a recognizer takes": ("unit/test_public.py::test_a_recognizer_takes_what_people_have",),
    "9 classes as numbers": (
        FORMS,
        REFUSED,
        "cases/test_commands.py::test_every_command_that_takes_data_takes_classes",
    ),
    "10 any choice of expressions": (FORMS, "cases/test_measuring.py::test_no_message_advises_what_is_refused_next"),
    "11 merged classes": (
        FORMS,
        "cases/test_measuring.py::test_groups_are_sums_in_training_and_in_measuring",
        "cases/test_measuring.py::test_merged_data_are_measured_with_a_model_of_expressions",
    ),
    "12 measuring on another data set": (
        "cases/test_measuring.py::test_every_shipped_model_is_measured_on_any_data_without_options",
        "cases/test_measuring.py::test_no_message_advises_what_is_refused_next",
    ),
    "13 folds": (
        "cases/test_folds.py::test_no_group_and_no_copy_lies_on_two_sides_and_every_image_is_tested_once",
        "cases/test_folds.py::test_each_fold_is_a_run_and_a_cell_pools_their_answers",
        "cases/test_folds.py::test_intervals_hold_for_other_persons",
    ),
    "14 tables in other dress": (FORMS, "cases/test_data_forms.py::test_compressed_and_other_encodings_are_read"),
    "15 tables of image names": (FORMS, REFUSED),
    "16 Parquet at any depth": (FORMS,),
    "17 arrays of notebooks": (FORMS, REFUSED),
    "18 KDEF, FERG, YOLO, AffectNet's older table": (
        FORMS,
        REFUSED,
        "unit/test_field_readers.py::test_every_special_reader_has_a_form",
    ),
    "19 zips of sets": (FORMS,),
    "20 CK+ as a table": (FORMS, "cases/test_data_forms.py::test_a_table_of_another_set_has_no_licence_of_fer2013"),
    "21 colour against gray": (
        "cases/test_colour.py::test_every_form_is_read_in_colour_where_that_is_said_and_in_gray_otherwise",
        "cases/test_colour.py::test_a_model_of_colours_is_measured_in_colour_and_says_where_there_are_none",
        "cases/test_colour.py::test_a_model_of_gray_faces_meets_colours_in_gray",
        "cases/test_colour.py::test_a_recognizer_of_colours_sees_them_in_the_right_order",
        "training/test_colour.py::test_what_only_colour_tells_is_learned_measured_exported_and_explained",
        "training/test_colour.py::test_colours_are_scaled_as_the_weights_of_imagenet_expect",
        "page/test_page.py::test_a_model_of_colours_is_used_as_on_the_command_line",
    ),
    "21 networks of the user's own": (
        "training/test_others.py::test_networks_and_a_reader_of_others_from_a_study_to_report_and_bundle",
        "training/test_others.py::test_a_row_may_name_a_network_of_keras_that_mien_has_not",
        "unit/test_network.py::test_efficientnet_gets_what_its_weights_expect_and_scales_nothing_itself",
    ),
    "22 early stopping": (
        "training/test_more_epochs.py::test_training_stops_after_so_many_epochs_without_improvement",
        "cases/test_commands.py::test_what_other_programs_call_a_setting_is_answered_with_its_name",
    ),
    "23 more epochs": (
        "training/test_more_epochs.py::test_more_epochs_go_on_from_a_finished_run_and_end_as_if_asked_for_at_once",
        "training/test_more_epochs.py::test_where_a_run_cannot_go_on_the_reason_is_said",
    ),
    "24 two data sets": (
        "cases/test_sources.py::test_two_sources_are_one_data_set_with_their_names",
        "cases/test_sources.py::test_train_here_and_test_there",
    ),
    "25 labels for crops": ("cases/test_crops.py::test_crops_of_any_form_get_the_labels_of_the_classifier",),
    "26 a row an image": (
        "cases/test_measuring.py::test_every_image_has_a_row",
        "cases/test_measuring.py::test_the_rows_are_written",
    ),
    "27 what is no path": ("cases/test_commands.py::test_what_is_no_path_is_named_as_what_it_is",),
    "29 BGR": ("unit/test_public.py::test_a_recognizer_takes_what_people_have",),
    "30 the main person": ("unit/test_predict_command.py::test_the_largest_face_alone_is_kept_when_asked_for",),
    "41 python -m mien": ("unit/test_public.py::test_python_dash_m_mien_is_the_command",),
    "42 a store given as a bundle": (
        "cases/test_commands.py::test_a_store_or_a_run_is_no_bundle_and_the_way_to_one_is_named",
    ),
    "43 the option that was typed": ("cases/test_commands.py::test_an_error_of_train_speaks_of_the_option",),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_test(row):
    for test in ROWS[row]:
        file, _, name = test.partition("::")
        tree = ast.parse((Path(__file__).parents[1] / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, test


@pytest.mark.parametrize("row", [row for row, tests in ROWS.items() if {FORMS, REFUSED} & set(tests)])
def test_the_tables_of_forms_have_the_row(row):
    from cases import test_data_forms

    number = row.partition(" ")[0]
    for test, table in ((FORMS, test_data_forms.READ), (REFUSED, test_data_forms.REFUSED)):
        assert test not in ROWS[row] or any(name.partition(" ")[0] == number for name in table), test
