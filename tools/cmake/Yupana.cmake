# What every target of the project is built with.

add_compile_options(-Wall -Wextra -Wno-unused-parameter)
# Compile-time tables must have the same bits wherever the compiler itself was built.
add_compile_options(-ffp-contract=off)
if(YUPANA_SANITIZE)
  add_compile_options(-fsanitize=${YUPANA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${YUPANA_SANITIZE})
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  find_program(YUPANA_LLD NAMES ld.lld-22 ld.lld)
  if(YUPANA_LLD)
    add_link_options(-fuse-ld=lld --ld-path=${YUPANA_LLD})
  endif()
endif()

# yupana_runtime_library(name sources... [LINK libs...])
# A library of the runtime: no exceptions, no RTTI, small, hidden by default.
function(yupana_runtime_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE -fno-exceptions -fno-rtti -fno-unwind-tables -fno-asynchronous-unwind-tables
                         -ffunction-sections -fdata-sections -fvisibility=hidden $<$<CONFIG:Release>:-Os>)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/runtime/include)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# yupana_test_headers(target header [LINK libs...])
# Compiles `header` once for the unit tests of this folder and those below it; with clang alone, since g++-12 writes a
# precompiled header of a gigabyte and gains nothing by it.
function(yupana_test_headers target header)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    return()
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${target}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(${target} OBJECT ${source})
  # As programs are compiled: clang takes a precompiled header for shared libraries for nothing else.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_link_libraries(${target} PRIVATE GTest::gtest ${ARG_LINK})
  target_precompile_headers(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${header})
  set(YUPANA_TEST_HEADERS ${target} PARENT_SCOPE)
endfunction()

# yupana_unit_test(name sources... [LINK libs...])
# A GoogleTest program that ctest runs as one test called `name`.
function(yupana_unit_test name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(YUPANA_TEST_HEADERS)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_precompile_headers(${name} REUSE_FROM ${YUPANA_TEST_HEADERS})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/bin)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
