# A port of the checkout that this file lies in.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS parts FEATURES text CARAT_TEXT media CARAT_MEDIA)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS ${parts}
    -DCARAT_BUILD_EXAMPLES=OFF -DCARAT_BUILD_TESTS=OFF -DCARAT_BUILD_BENCH=OFF
    "-DCARAT_HIGHWAY_DIR=${CURRENT_INSTALLED_DIR}/include")
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/carat)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib")
file(WRITE "${CURRENT_PACKAGES_DIR}/share/${PORT}/usage" [=[
carat:
    find_package(carat CONFIG REQUIRED COMPONENTS text)   # components: core, text, media
    target_link_libraries(main PRIVATE carat::text)       # carat::core: ids in, logits out
    carat_add_model(main CONFIG config.json)
]=])
set(VCPKG_POLICY_SKIP_COPYRIGHT_CHECK enabled)
